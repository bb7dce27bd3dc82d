"""The acceptor's policy: a pure function from an A-ASSOCIATE-RQ to the answer (PS3.8 9.3.3, 9.3.4; PS3.7 Annex D)."""

from .items import (
    ABSTRACT_SYNTAX_NOT_SUPPORTED,
    ACCEPTANCE,
    TRANSFER_SYNTAXES_NOT_SUPPORTED,
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    PresentationContextAC,
    RoleSelection,
)
from .pdu import REJECTED_PERMANENT, SOURCE_USER, AssociateAC, AssociateRJ
from .record import Record
from .uids import ACCEPTABLE_TRANSFER_SYNTAXES, APPLICATION_CONTEXT, IMPLEMENTATION_CLASS_UID, VERIFICATION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .items import PresentationContextRQ, UserInformation
    from .pdu import AssociateRQ

# Reasons of a rejection by the service user (PS3.8 Table 9-21)
APPLICATION_CONTEXT_NOT_SUPPORTED = 2
CALLING_AE_TITLE_NOT_RECOGNIZED = 3
CALLED_AE_TITLE_NOT_RECOGNIZED = 7

# Reason of a rejection by the service provider, presentation (PS3.8 Table 9-21)
LOCAL_LIMIT_EXCEEDED = 2


def implementation_version_name() -> str:
    """Ours: ``DCMECHO_`` and the version, at most 16 characters (PS3.7 D.3.3.2.3)."""
    from . import __version__

    return f"DCMECHO_{__version__}"[:16]


class AcceptorPolicy(Record):
    """What an acceptor of Verification accepts.

    `transfer_syntaxes` are those it takes, `preferred` those it takes first, in that order, wherever they stand in the
    proposal; otherwise the requestor's order counts. `max_pdu` is the longest P-DATA-TF we take (0: no limit).
    `called_ae_titles` and `calling_ae_titles` name the only titles it knows; None is any.
    """

    __slots__ = ("called_ae_titles", "calling_ae_titles", "max_pdu", "preferred", "transfer_syntaxes")

    def __init__(
        self,
        *,
        transfer_syntaxes: tuple[str, ...] = ACCEPTABLE_TRANSFER_SYNTAXES,
        preferred: tuple[str, ...] = (),
        max_pdu: int = 16382,
        called_ae_titles: frozenset[str] | None = None,
        calling_ae_titles: frozenset[str] | None = None,
    ) -> None:
        self.transfer_syntaxes = transfer_syntaxes
        self.preferred = preferred
        self.max_pdu = max_pdu
        self.called_ae_titles = called_ae_titles
        self.calling_ae_titles = calling_ae_titles


def negotiate(request: "AssociateRQ", policy: AcceptorPolicy) -> AssociateAC | AssociateRJ:
    """Answer a request: accept it, context by context, or reject it."""
    if request.application_context != APPLICATION_CONTEXT:
        return AssociateRJ(REJECTED_PERMANENT, SOURCE_USER, APPLICATION_CONTEXT_NOT_SUPPORTED)
    if policy.called_ae_titles is not None and request.called_ae_title.strip(" ") not in policy.called_ae_titles:
        return AssociateRJ(REJECTED_PERMANENT, SOURCE_USER, CALLED_AE_TITLE_NOT_RECOGNIZED)
    if policy.calling_ae_titles is not None and request.calling_ae_title.strip(" ") not in policy.calling_ae_titles:
        return AssociateRJ(REJECTED_PERMANENT, SOURCE_USER, CALLING_AE_TITLE_NOT_RECOGNIZED)
    answers: tuple[UserInformation, ...] = (
        MaximumLength(policy.max_pdu),
        ImplementationClassUID(IMPLEMENTATION_CLASS_UID),
        ImplementationVersionName(implementation_version_name()),
    )
    return AssociateAC(
        request.called_ae_title,
        request.calling_ae_title,
        tuple([_answer_context(context, policy) for context in request.presentation_contexts]),
        answers + _answer_roles(request),
        reserved=request.reserved,
    )


def _answer_context(context: "PresentationContextRQ", policy: AcceptorPolicy) -> PresentationContextAC:
    first = context.transfer_syntaxes[0]
    if context.abstract_syntax != VERIFICATION:
        return PresentationContextAC(context.context_id, ABSTRACT_SYNTAX_NOT_SUPPORTED, first)
    wanted = [uid for uid in policy.preferred if uid in context.transfer_syntaxes]
    wanted += context.transfer_syntaxes
    for uid in wanted:
        if uid in policy.transfer_syntaxes:
            return PresentationContextAC(context.context_id, ACCEPTANCE, uid)
    return PresentationContextAC(context.context_id, TRANSFER_SYNTAXES_NOT_SUPPORTED, first)


def _answer_roles(request: "AssociateRQ") -> tuple[RoleSelection, ...]:
    """The requestor may be SCU of Verification, and is not needed as SCP; a role not proposed cannot be granted."""
    for proposed in request.user_information:
        if isinstance(proposed, RoleSelection) and proposed.sop_class_uid == VERIFICATION:
            return (RoleSelection(VERIFICATION, proposed.scu_role, 0),)
    return ()
