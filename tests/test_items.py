"""Items and sub-items, byte by byte (PS3.8 9.3.2, 9.3.3, Annex D; PS3.7 Annex D.3.3).

What lies about its length is refused as a MalformedPDU, wherever the lie stands.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcmecho.errors import MalformedPDU
from dcmecho.items import (
    CONTEXT_RESULTS,
    AsynchronousOperationsWindow,
    CommonExtendedNegotiation,
    ExtendedNegotiation,
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    PresentationContextAC,
    PresentationContextRQ,
    RoleSelection,
    Source,
    UnknownItem,
    UserIdentityAC,
    UserIdentityRQ,
    decode_user_information,
    encode_user_information,
    find,
    item,
)
from strategies import contexts_ac, contexts_rq, user_information

# name: the item, and its bytes as the standard lays them out
SUB_ITEMS: dict[str, tuple[Any, str]] = {
    "maximum length": (MaximumLength(16384), "51 00 0004 00004000"),
    "no maximum length": (MaximumLength(0), "51 00 0004 00000000"),
    "smallest maximum length": (MaximumLength(8), "51 00 0004 00000008"),
    "largest maximum length": (MaximumLength(0xFFFFFFFF), "51 00 0004 ffffffff"),
    "implementation class": (ImplementationClassUID("1.2.34"), "52 00 0006 312e322e3334"),
    "asynchronous operations": (AsynchronousOperationsWindow(0x0102, 0), "53 00 0004 0102 0000"),
    "role selection": (RoleSelection("1.2", 1, 0), "54 00 0007 0003 312e32 01 00"),
    "implementation version": (ImplementationVersionName("A_1"), "55 00 0003 415f31"),
    "extended": (ExtendedNegotiation("1.2", b"\x01\0"), "56 00 0007 0003 312e32 0100"),
    "extended without information": (ExtendedNegotiation("1.2", b""), "56 00 0005 0003 312e32"),
    "common extended": (
        CommonExtendedNegotiation("1.2", "1.3", ("1.4", "1.55")),
        "57 00 0017 0003 312e32 0003 312e33 000b 0003 312e34 0004 312e3535",
    ),
    "common extended, none related": (
        CommonExtendedNegotiation("1.2", "1.3", ()),
        "57 00 000c 0003 312e32 0003 312e33 0000",
    ),
    "user name": (UserIdentityRQ(1, 0, b"me"), "58 00 0008 01 00 0002 6d65 0000"),
    "user name and passcode": (UserIdentityRQ(2, 1, b"me", b"pass"), "58 00 000c 02 01 0002 6d65 0004 70617373"),
    "user identity answer": (UserIdentityAC(b"ok"), "59 00 0004 0002 6f6b"),
    "unknown": (UnknownItem(0x5A, b"\x01\x02"), "5a 00 0002 0102"),
    "unknown and empty": (UnknownItem(0xFF, b""), "ff 00 0000"),
}

CONTEXTS: dict[str, tuple[Any, str]] = {
    "proposed": (
        PresentationContextRQ(1, "1.2", ("1.3", "1.4")),
        "20 00 0019 01 00 00 00 30 00 0003 312e32 40 00 0003 312e33 40 00 0003 312e34",
    ),
    "proposed with the last id": (
        PresentationContextRQ(255, "1", ("2",)),
        "20 00 000e ff 00 00 00 30 00 0001 31 40 00 0001 32",
    ),
    "accepted": (PresentationContextAC(3, 0, "1.3"), "21 00 000b 03 00 00 00 40 00 0003 312e33"),
    "refused": (PresentationContextAC(255, 4, ""), "21 00 0008 ff 00 04 00 40 00 0000"),
}


def value_of(hexadecimal: str) -> bytes:
    return bytes.fromhex(hexadecimal)[4:]


def read(data: bytes) -> Any:
    """Decode one sub-item of user information."""
    (found,) = decode_user_information(Source("TEST", data), 0, len(data))
    return found


def read_context(kind: Any, value: bytes) -> Any:
    return kind.decode(Source("TEST", value), 0, len(value))


@pytest.mark.parametrize("name", [*SUB_ITEMS, *CONTEXTS])
def test_encode(name: str) -> None:
    made, expected = (SUB_ITEMS | CONTEXTS)[name]
    assert made.encode().hex() == expected.replace(" ", "")


@pytest.mark.parametrize("name", SUB_ITEMS)
def test_decode(name: str) -> None:
    made, expected = SUB_ITEMS[name]
    assert read(bytes.fromhex(expected)) == made


@pytest.mark.parametrize("name", CONTEXTS)
def test_decode_contexts(name: str) -> None:
    made, expected = CONTEXTS[name]
    assert read_context(type(made), value_of(expected)) == made


@given(st.lists(user_information, max_size=6).map(tuple))
def test_user_information_comes_back(sub_items: Any) -> None:
    data = encode_user_information(sub_items)
    assert data[:2] == b"\x50\0"
    assert int.from_bytes(data[2:4], "big") == len(data) - 4
    assert decode_user_information(Source("TEST", data), 4, len(data)) == sub_items


@given(st.one_of(contexts_rq, contexts_ac))
def test_contexts_come_back(context: Any) -> None:
    assert read_context(type(context), context.encode()[4:]) == context


@given(st.binary(max_size=80))
def test_any_bytes_are_user_information_or_malformed(data: bytes) -> None:
    try:
        decode_user_information(Source("TEST", data), 0, len(data))
    except MalformedPDU:
        pass


@given(st.integers(0x51, 0x59), st.binary(max_size=40))
def test_any_value_of_a_known_sub_item_is_read_or_malformed(kind: int, value: bytes) -> None:
    try:
        read(item(kind, value))
    except MalformedPDU:
        pass


@given(st.sampled_from([PresentationContextRQ, PresentationContextAC]), st.binary(max_size=60))
def test_any_bytes_are_a_context_or_malformed(kind: Any, data: bytes) -> None:
    try:
        read_context(kind, data)
    except MalformedPDU:
        pass


@pytest.mark.parametrize("name", SUB_ITEMS)
def test_a_sub_item_cut_short_is_malformed(name: str) -> None:
    whole = bytes.fromhex(SUB_ITEMS[name][1])
    for end in range(1, len(whole)):
        with pytest.raises(MalformedPDU):
            read(whole[:end])


# Anything is a UID or a name to the reader, and the service class reads what follows the SOP class.
_OPEN_ENDED = (ImplementationClassUID, ImplementationVersionName, ExtendedNegotiation, UnknownItem)


@pytest.mark.parametrize("name", [name for name in SUB_ITEMS if not isinstance(SUB_ITEMS[name][0], _OPEN_ENDED)])
def test_a_value_cut_short_inside_an_honest_item_is_malformed(name: str) -> None:
    whole = bytes.fromhex(SUB_ITEMS[name][1])
    for end in range(4, len(whole)):
        with pytest.raises(MalformedPDU):
            read(item(whole[0], whole[4:end]))


def test_the_sop_class_of_an_extended_negotiation_is_never_cut() -> None:
    for value in (b"", b"\0", b"\0\x03", b"\0\x031.", b"\xff\xff1.2"):
        with pytest.raises(MalformedPDU, match="SOP class of an extended negotiation"):
            read(item(0x56, value))


@pytest.mark.parametrize("kind", [0x51, 0x53, 0x54, 0x58, 0x59])
def test_surplus_bytes_in_a_value_are_malformed(kind: int) -> None:
    whole = next(bytes.fromhex(text) for _, text in SUB_ITEMS.values() if bytes.fromhex(text)[0] == kind)
    with pytest.raises(MalformedPDU):
        read(item(kind, whole[4:] + b"\0"))


@pytest.mark.parametrize("claimed", [0, 1, 3, 5, 0xFFFF])
def test_an_item_length_that_lies_is_malformed(claimed: int) -> None:
    with pytest.raises(MalformedPDU):
        read(b"\x51\0" + claimed.to_bytes(2, "big") + bytes(3) + b"\x08")


# Each field with a length of its own: bytes before the length, and after the honest field.
_COUNTED = {
    "role selection": ("", "0003 312e32", "0100", 0x54),
    "SOP class": ("", "0003 312e32", "0003 312e33 0000", 0x57),
    "service class": ("0003 312e32", "0003 312e33", "0000", 0x57),
    "related SOP classes": ("0003 312e32 0003 312e33", "0005 0003312e34", "", 0x57),
    "related SOP class": ("0003 312e32 0003 312e33 0005", "0003 312e34", "", 0x57),
    "primary field": ("0201", "0002 6d65", "0004 70617373", 0x58),
    "secondary field": ("0201 0002 6d65", "0004 70617373", "", 0x58),
    "server response": ("", "0002 6f6b", "", 0x59),
}


_LIES: dict[str, Callable[[int], int]] = {
    "0": lambda _: 0,
    "1 too small": lambda honest: honest - 1,
    "1 too large": lambda honest: honest + 1,
    "FFFFH": lambda _: 0xFFFF,
}
# What follows the related classes is reserved (PS3.7 Table D.3-12): to claim that there are none is no lie.
_FALSE = [(name, lie) for name in _COUNTED for lie in _LIES if (name, lie) != ("related SOP classes", "0")]


@pytest.mark.parametrize(("name", "lie"), _FALSE)
def test_a_field_length_that_lies_is_malformed(name: str, lie: str) -> None:
    before, field, after, kind = _COUNTED[name]
    honest = bytes.fromhex(field)
    read(item(kind, bytes.fromhex(before) + honest + bytes.fromhex(after)))
    lying = _LIES[lie](int.from_bytes(honest[:2], "big")).to_bytes(2, "big") + honest[2:]
    with pytest.raises(MalformedPDU):
        read(item(kind, bytes.fromhex(before) + lying + bytes.fromhex(after)))


def test_what_follows_a_common_extended_negotiation_is_reserved() -> None:
    read_back = read(item(0x57, bytes.fromhex("0003312e32 0003312e33 0000 ffff")))
    assert read_back == CommonExtendedNegotiation("1.2", "1.3", ())


@pytest.mark.parametrize("length", range(1, 8))
def test_a_maximum_length_without_room_for_a_message_is_malformed(length: int) -> None:
    with pytest.raises(MalformedPDU, match=f"maximum length of {length} lets no message through at byte 5"):
        read(item(0x51, length.to_bytes(4, "big")))


@pytest.mark.parametrize("padding", [b"\0", b"\0\0", b" ", b" \0 "])
def test_padding_of_uids_and_names_is_taken_off(padding: bytes) -> None:
    assert read(item(0x52, b"1.2" + padding)) == ImplementationClassUID("1.2")
    assert read(item(0x55, b"A B" + padding)) == ImplementationVersionName("A B")
    length = (3 + len(padding)).to_bytes(2, "big")
    assert read(item(0x54, length + b"1.2" + padding + b"\x01\0")) == RoleSelection("1.2", 1, 0)
    value = b"\x01\0\0\0" + item(0x30, b"1.2" + padding) + item(0x40, b"1.3" + padding)
    assert read_context(PresentationContextRQ, value) == PresentationContextRQ(1, "1.2", ("1.3",))


def test_bytes_that_are_no_text_are_kept() -> None:
    name = read(item(0x55, b"\xc3\xa9\x1b"))
    assert name == ImplementationVersionName("\xc3\xa9\x1b")
    assert name.encode() == item(0x55, b"\xc3\xa9\x1b")


def test_reserved_bytes_are_not_tested() -> None:
    assert read(bytes.fromhex("51 ff 0004 00004000")) == MaximumLength(16384)
    value = bytes.fromhex("01 ff ff ff 30 ff 0001 31 40 ff 0001 32")
    assert read_context(PresentationContextRQ, value) == PresentationContextRQ(1, "1", ("2",))
    value = bytes.fromhex("01 ff 00 ff 40 ff 0001 32")
    assert read_context(PresentationContextAC, value) == PresentationContextAC(1, 0, "2")


@pytest.mark.parametrize("context_id", [0, 2, 254])
def test_an_even_id_is_malformed_in_a_proposal(context_id: int) -> None:
    value = bytes([context_id]) + value_of(CONTEXTS["proposed"][1])[1:]
    with pytest.raises(MalformedPDU, match=f"id {context_id} is not odd"):
        read_context(PresentationContextRQ, value)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("010000", "is 3 bytes long, at least 4"),
        ("01000000", "lacks"),
        ("01000000 30000001 31", "lacks"),
        ("01000000 40000001 32", "lacks"),
        ("01000000 30000001 31 30000001 31 40000001 32", "two abstract syntaxes"),
        ("01000000 30000001 31 4000", "cut short"),
        ("01000000 30000001 31 40000002 32", "claims 2 bytes, 1 are left"),
        ("01000000 3000ffff 31 40000001 32", "claims 65535 bytes"),
    ],
)
def test_a_proposal_that_is_none_is_malformed(value: str, problem: str) -> None:
    with pytest.raises(MalformedPDU, match=problem):
        read_context(PresentationContextRQ, bytes.fromhex(value))


def test_unknown_sub_items_of_a_context_are_passed_over() -> None:
    unknown = item(0x41, b"?")
    value = b"\x01\0\0\0" + unknown + item(0x30, b"1") + unknown + item(0x40, b"2")
    assert read_context(PresentationContextRQ, value) == PresentationContextRQ(1, "1", ("2",))
    assert read_context(PresentationContextAC, b"\x01\0\0\0" + unknown) == PresentationContextAC(1, 0, "")


@pytest.mark.parametrize("value", ["", "010000", "01000000 40", "01000000 40000002 32"])
def test_an_answer_cut_short_is_malformed(value: str) -> None:
    with pytest.raises(MalformedPDU):
        read_context(PresentationContextAC, bytes.fromhex(value))


@pytest.mark.parametrize("result", range(256))
def test_every_result_is_kept(result: int) -> None:
    context = PresentationContextAC(1, result, "1.2")
    assert read_context(PresentationContextAC, context.encode()[4:]) == context


def test_the_results_are_those_of_table_9_18() -> None:
    assert CONTEXT_RESULTS == {
        0: "acceptance",
        1: "user rejection",
        2: "no reason (provider rejection)",
        3: "abstract syntax not supported (provider rejection)",
        4: "transfer syntaxes not supported (provider rejection)",
    }


def test_the_place_of_the_trouble_is_told() -> None:
    """Offsets count the PDU's bytes from 1: the length of the second item stands in bytes 9 and 10."""
    data = bytes(2) + item(0x5A, b"") + b"\x5b\0\xff\xff"
    with pytest.raises(MalformedPDU) as caught:
        decode_user_information(Source("TEST", data), 2, len(data))
    assert (caught.value.pdu, caught.value.offset) == ("TEST", 9)
    assert caught.value.problem == "item 5BH claims 65535 bytes, 0 are left"
    assert caught.value.abort_reason == 6


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (b"\x51\0\0\x03abc", "the maximum length is 3 bytes long, not 4"),
        (b"\x58\0\0\x01a", "the user identity is 1 bytes long, at least 2 are needed"),
    ],
)
def test_a_wrong_size_is_told(value: bytes, problem: str) -> None:
    with pytest.raises(MalformedPDU) as caught:
        decode_user_information(Source("TEST", b"??" + value), 2, 2 + len(value))
    assert (caught.value.problem, caught.value.offset) == (problem, 7)


def test_the_largest_item() -> None:
    assert item(0x10, bytes(0xFFFF))[:4] == b"\x10\0\xff\xff"
    with pytest.raises(ValueError, match="item 10H would be 65536 bytes long; 65535 fit"):
        item(0x10, bytes(0x10000))


@pytest.mark.parametrize(
    "made",
    [
        ImplementationClassUID("1" * 0x10000),
        ExtendedNegotiation("1.2", bytes(0x10000)),
        RoleSelection("1" * 0x10000, 0, 0),
        CommonExtendedNegotiation("1.2", "1.3", ("1" * 0x10000,)),
        UserIdentityRQ(3, 0, bytes(0x10000)),
        UserIdentityRQ(3, 0, b"", bytes(0x10000)),
        UserIdentityAC(bytes(0x10000)),
    ],
    ids=lambda made: type(made).__name__,
)
def test_what_is_too_long_to_encode_is_a_value_error(made: Any) -> None:
    with pytest.raises(ValueError, match=r"65536|65535"):
        made.encode()


def test_secrets_are_not_shown() -> None:
    request = UserIdentityRQ(2, 1, b"me", b"secret")
    assert repr(request) == (
        "UserIdentityRQ(identity_type=2, positive_response_requested=1, "
        "primary_field=<2 bytes>, secondary_field=<6 bytes>)"
    )
    assert repr(UserIdentityAC(b"ticket")) == "UserIdentityAC(server_response=<6 bytes>)"


def test_find_returns_the_first_of_its_class() -> None:
    sub_items = (UnknownItem(0x60, b""), MaximumLength(8), MaximumLength(9))
    assert find(sub_items, MaximumLength) == MaximumLength(8)
    assert find(sub_items, UserIdentityAC) is None
    assert find((), MaximumLength) is None
