"""The acceptor's policy."""

import pytest

from dcmecho.items import (
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    PresentationContextAC,
    PresentationContextRQ,
    RoleSelection,
    UnknownItem,
)
from dcmecho.negotiation import AcceptorPolicy, implementation_version_name, negotiate
from dcmecho.pdu import AssociateAC, AssociateRJ, AssociateRQ
from dcmecho.uids import (
    ACCEPTABLE_TRANSFER_SYNTAXES,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLEMENTATION_CLASS_UID,
    IMPLICIT_VR_LITTLE_ENDIAN,
    VERIFICATION,
)

THREE = (IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)


def request(*contexts: PresentationContextRQ, **changes: object) -> AssociateRQ:
    found = AssociateRQ("CALLED", "CALLING", contexts or (PresentationContextRQ(1, VERIFICATION, THREE),), ())
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def accepted(asked: AssociateRQ, **policy: object) -> AssociateAC:
    answer = negotiate(asked, AcceptorPolicy(**policy))  # type: ignore[arg-type] # a table of arguments
    assert isinstance(answer, AssociateAC)
    assert AssociateAC.decode(answer.encode()).presentation_contexts == answer.presentation_contexts
    return answer


def test_our_own_words() -> None:
    answer = accepted(request(reserved=bytes(range(32))), max_pdu=4096)
    assert answer.user_information == (
        MaximumLength(4096),
        ImplementationClassUID(IMPLEMENTATION_CLASS_UID),
        ImplementationVersionName(implementation_version_name()),
    )
    assert (answer.called_ae_title, answer.calling_ae_title) == ("CALLED", "CALLING")
    assert answer.reserved == bytes(range(32))


def test_the_version_name_fits() -> None:
    assert implementation_version_name().startswith("DCMECHO_1.")
    assert len(implementation_version_name()) <= 16


@pytest.mark.parametrize("uid", ACCEPTABLE_TRANSFER_SYNTAXES)
def test_every_transfer_syntax_of_ours_is_accepted(uid: str) -> None:
    answer = accepted(request(PresentationContextRQ(9, VERIFICATION, ("1.2.3", uid))))
    assert answer.presentation_contexts == (PresentationContextAC(9, 0, uid),)


def test_context_by_context() -> None:
    answer = accepted(
        request(
            PresentationContextRQ(1, "1.2.840.10008.5.1.4.1.1.2", THREE),
            PresentationContextRQ(3, VERIFICATION, ("1.2.3", "1.2.4")),
            PresentationContextRQ(255, VERIFICATION, THREE),
        )
    )
    assert [(each.context_id, each.result) for each in answer.presentation_contexts] == [(1, 3), (3, 4), (255, 0)]


@pytest.mark.parametrize(
    ("preferred", "chosen"),
    [
        ((), IMPLICIT_VR_LITTLE_ENDIAN),
        ((EXPLICIT_VR_BIG_ENDIAN,), EXPLICIT_VR_BIG_ENDIAN),
        ((EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN),
        (("1.2.3", EXPLICIT_VR_BIG_ENDIAN), EXPLICIT_VR_BIG_ENDIAN),
        (("1.2.3",), IMPLICIT_VR_LITTLE_ENDIAN),
    ],
)
def test_preference_goes_before_the_order_of_the_proposal(preferred: tuple[str, ...], chosen: str) -> None:
    answer = accepted(request(), preferred=preferred)
    assert answer.presentation_contexts == (PresentationContextAC(1, 0, chosen),)


def test_what_is_preferred_and_not_proposed_is_not_taken() -> None:
    asked = request(PresentationContextRQ(1, VERIFICATION, (IMPLICIT_VR_LITTLE_ENDIAN,)))
    answer = accepted(asked, preferred=(EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN))
    assert answer.presentation_contexts == (PresentationContextAC(1, 0, IMPLICIT_VR_LITTLE_ENDIAN),)


def test_what_is_preferred_and_not_accepted_is_not_taken() -> None:
    answer = accepted(request(), preferred=(EXPLICIT_VR_BIG_ENDIAN,), transfer_syntaxes=(EXPLICIT_VR_LITTLE_ENDIAN,))
    assert answer.presentation_contexts == (PresentationContextAC(1, 0, EXPLICIT_VR_LITTLE_ENDIAN),)


@pytest.mark.parametrize(
    ("changes", "policy", "reason"),
    [
        ({"application_context": "1.2.3"}, {}, 2),
        ({}, {"called_ae_titles": frozenset(["OTHER"])}, 7),
        ({}, {"calling_ae_titles": frozenset(["OTHER"])}, 3),
        ({"called_ae_title": "called"}, {"called_ae_titles": frozenset(["CALLED"])}, 7),
        ({}, {"calling_ae_titles": frozenset()}, 3),
    ],
)
def test_rejection(changes: dict[str, object], policy: dict[str, object], reason: int) -> None:
    assert negotiate(request(**changes), AcceptorPolicy(**policy)) == AssociateRJ(1, 1, reason)  # type: ignore[arg-type] # a table


def test_spaces_around_titles_do_not_count() -> None:
    asked = request(called_ae_title="  CALLED ", calling_ae_title="CALLING   ")
    accepted(asked, called_ae_titles=frozenset(["CALLED"]), calling_ae_titles=frozenset(["CALLING"]))


def test_any_title_is_taken_unless_asked_otherwise() -> None:
    accepted(request(called_ae_title="\x1b[2J", calling_ae_title=""))


def test_the_requestor_may_be_scu_and_not_scp() -> None:
    proposed = (RoleSelection(VERIFICATION, 1, 1), RoleSelection("1.2.3", 1, 1))
    answer = accepted(request(user_information=proposed))
    roles = [item for item in answer.user_information if isinstance(item, RoleSelection)]
    assert roles == [RoleSelection(VERIFICATION, 1, 0)]


def test_unknown_items_are_passed_over() -> None:
    accepted(request(unknown_items=(UnknownItem(0x77, b"x"),), user_information=(UnknownItem(0x78, b"y"),)))
