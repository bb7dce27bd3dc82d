"""The seven PDUs, byte by byte (PS3.8 9.3), and what is refused as malformed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcmecho import pdu as module
from dcmecho.errors import MalformedPDU
from dcmecho.items import (
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    PresentationContextAC,
    PresentationContextRQ,
    UnknownItem,
    item,
)
from dcmecho.pdu import (
    PDV,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    Framing,
    PDataTF,
    ReleaseRP,
    ReleaseRQ,
    decode,
)
from dcmecho.uids import VERIFICATION
from strategies import pdus

FIXED_PART = (
    "0001 0000"  # bytes 7-10: protocol version, reserved
    "54 48 45 52 45 20202020202020202020 20"  # bytes 11-26: called AE title
    "48 45 52 45 20202020202020202020 2020" + "00" * 32  # bytes 27-42: calling AE title  # bytes 43-74: reserved
)
CONTEXT_NAME = "10 00 0015 312e322e3834302e31303030382e332e312e312e31"
PROPOSAL = (
    "20 00 002e 01 00 00 0030 00 0011 312e322e3834302e31303030382e312e3140 00 0011 312e322e3834302e31303030382e312e32"
)
ANSWER = "21 00 0019 01 00 00 00 40 00 0011 312e322e3834302e31303030382e312e32"
INFORMATION = "50 00 0013 51 00 0004 00004000 52 00 0003 312e32 55 00 0000"
UNKNOWN = "77 00 0002 beef"

PROPOSED = (PresentationContextRQ(1, VERIFICATION, ("1.2.840.10008.1.2",)),)
ANSWERED = (PresentationContextAC(1, 0, "1.2.840.10008.1.2"),)
INFORMED = (MaximumLength(16384), ImplementationClassUID("1.2"), ImplementationVersionName(""))

# name: the PDU, and its bytes as the standard lays them out
PDUS: dict[str, tuple[Any, str]] = {
    "A-ASSOCIATE-RQ": (
        AssociateRQ("THERE", "HERE", PROPOSED, INFORMED),
        "01 00 000000a6" + FIXED_PART + CONTEXT_NAME + PROPOSAL + INFORMATION,
    ),
    "A-ASSOCIATE-AC": (
        AssociateAC("THERE", "HERE", ANSWERED, INFORMED),
        "02 00 00000091" + FIXED_PART + CONTEXT_NAME + ANSWER + INFORMATION,
    ),
    "A-ASSOCIATE-AC with an unknown item": (
        AssociateAC("THERE", "HERE", (), (), unknown_items=(UnknownItem(0x77, b"\xbe\xef"),)),
        "02 00 00000067" + FIXED_PART + CONTEXT_NAME + "50 00 0000" + UNKNOWN,
    ),
    "A-ASSOCIATE-RJ": (AssociateRJ(2, 3, 1), "03 00 00000004 00 02 03 01"),
    "P-DATA-TF": (PDataTF((PDV(1, True, True, b"\xab"),)), "04 00 00000007 00000003 01 03 ab"),
    "P-DATA-TF with every kind of fragment": (
        PDataTF(
            (
                PDV(1, True, False, b"a"),
                PDV(3, True, True, b""),
                PDV(5, False, False, b"bc"),
                PDV(255, False, True, b""),
            )
        ),
        "04 00 0000001b 00000003 01 01 61 00000002 03 03 00000004 05 00 6263 00000002 ff 02",
    ),
    "A-RELEASE-RQ": (ReleaseRQ(), "05 00 00000004 00000000"),
    "A-RELEASE-RP": (ReleaseRP(), "06 00 00000004 00000000"),
    "A-ABORT": (Abort(2, 6), "07 00 00000004 00 00 02 06"),
}

# After an item or a data value, if nothing that must be there is missing yet.
MAY_STOP_AT = {
    "A-ASSOCIATE-RQ": (149,),
    "A-ASSOCIATE-AC": (74, 99, 128),
    "A-ASSOCIATE-AC with an unknown item": (74, 99, 103),
    "P-DATA-TF with every kind of fragment": (13, 19, 27),
}


def raw(name: str) -> bytes:
    return bytes.fromhex(PDUS[name][1])


def associate(kind: int, *items: str, fixed: str = FIXED_PART) -> bytes:
    """An association PDU with these items and an honest length."""
    body = bytes.fromhex(fixed) + b"".join([bytes.fromhex(text) for text in items])
    return bytes([kind, 0]) + len(body).to_bytes(4, "big") + body


def data_values(value: str) -> bytes:
    body = bytes.fromhex(value)
    return b"\x04\0" + len(body).to_bytes(4, "big") + body


def take(stream: bytes) -> Any:
    """What a receiver of this stream gets: the PDU, or None if more is needed."""
    framing = Framing(0)
    framing.feed(stream)
    whole = framing.next_pdu()
    return None if whole is None else decode(whole)


@pytest.mark.parametrize("name", PDUS)
def test_encode(name: str) -> None:
    made, expected = PDUS[name]
    assert made.encode().hex(" ") == bytes.fromhex(expected).hex(" ")


@pytest.mark.parametrize("name", PDUS)
def test_decode(name: str) -> None:
    assert decode(raw(name)) == PDUS[name][0]
    assert type(decode(raw(name))) is type(PDUS[name][0])


@given(pdus)
def test_every_pdu_comes_back(pdu: Any) -> None:
    again = decode(pdu.encode())
    assert again == pdu
    assert again.encode() == pdu.encode()


@given(pdus)
def test_the_length_counts_what_follows_the_header(pdu: Any) -> None:
    data = pdu.encode()
    assert data[1] == 0
    assert int.from_bytes(data[2:6], "big") == len(data) - 6


@given(st.binary(max_size=200))
def test_any_bytes_are_a_pdu_or_malformed(data: bytes) -> None:
    try:
        decode(data)
    except MalformedPDU:
        pass


@given(st.integers(1, 7), st.binary(max_size=200))
def test_any_body_is_read_or_malformed(kind: int, body: bytes) -> None:
    try:
        take(bytes([kind, 0]) + len(body).to_bytes(4, "big") + body)
    except MalformedPDU:
        pass


@given(st.integers(1, 2), st.binary(max_size=100))
def test_any_items_are_read_or_malformed(kind: int, items: bytes) -> None:
    try:
        take(associate(kind, items.hex()))
    except MalformedPDU:
        pass


@given(pdus, st.data())
def test_one_changed_byte_is_read_or_malformed(pdu: Any, data: st.DataObject) -> None:
    changed = bytearray(pdu.encode())
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        take(bytes(changed))
    except MalformedPDU:
        pass


@pytest.mark.parametrize("name", PDUS)
def test_cut_at_any_byte_more_is_needed(name: str) -> None:
    whole = raw(name)
    for end in range(len(whole)):
        assert take(whole[:end]) is None
    assert take(whole) == PDUS[name][0]


@pytest.mark.parametrize("name", PDUS)
def test_cut_at_any_byte_with_an_honest_length_it_is_malformed(name: str) -> None:
    whole = raw(name)
    for end in range(6, len(whole)):
        cut = whole[:2] + (end - 6).to_bytes(4, "big") + whole[6:end]
        if end in MAY_STOP_AT.get(name, ()):
            take(cut)
        else:
            with pytest.raises(MalformedPDU):
                take(cut)


@pytest.mark.parametrize("name", PDUS)
def test_bytes_cut_at_any_place_are_never_another_error(name: str) -> None:
    """`decode` itself, given less than a header or a body: the same answer as to any other bytes that are no PDU."""
    whole = raw(name)
    for end in range(12):
        with pytest.raises(MalformedPDU):
            decode(whole[: min(end, len(whole) - 1)])


@pytest.mark.parametrize("kind", [0, 8, 0x16, 0x48, 0xFF])
def test_bytes_of_an_unknown_type_are_malformed(kind: int) -> None:
    with pytest.raises(MalformedPDU):
        decode(bytes([kind, 0, 0, 0, 0, 4, 0, 0, 0, 0]))


@pytest.mark.parametrize("length", [0, 1, 3, 5, 0xFFFF, 0xFFFFFFFF])
@pytest.mark.parametrize("kind", [3, 5, 6, 7])
def test_a_control_pdu_has_four_bytes(kind: int, length: int) -> None:
    with pytest.raises(MalformedPDU, match=f"it claims {length} bytes, not 4 at byte 3") as caught:
        take(bytes([kind, 0]) + length.to_bytes(4, "big"))
    assert caught.value.pdu == module.PDU_NAMES[kind]
    assert caught.value.abort_reason == 6


@pytest.mark.parametrize("kind", [1, 2])
def test_the_fixed_part_is_needed(kind: int) -> None:
    for size in (0, 1, 67):
        with pytest.raises(MalformedPDU, match=f"the fixed part is {size} bytes long, at least 68 are needed"):
            take(associate(kind, fixed="00" * size))


@pytest.mark.parametrize("claimed", [0, 0x14, 0x16, 0xFFFF])
def test_an_item_length_that_lies_is_malformed(claimed: int) -> None:
    lying = "1000" + claimed.to_bytes(2, "big").hex() + CONTEXT_NAME.replace(" ", "")[8:]
    with pytest.raises(MalformedPDU):
        take(associate(1, lying, PROPOSAL, INFORMATION))


@pytest.mark.parametrize("claimed", [1, 0x12, 0x14, 0xFFFF])
def test_a_user_information_length_that_lies_is_malformed(claimed: int) -> None:
    honest = bytes.fromhex(INFORMATION)
    lying = honest[:2] + claimed.to_bytes(2, "big") + honest[4:]
    with pytest.raises(MalformedPDU):
        take(associate(1, CONTEXT_NAME, PROPOSAL, lying.hex()))


@pytest.mark.parametrize("claimed", [0, 1, 2, 4, 0xFFFF, 0xFFFFFFFF])
def test_a_data_value_length_that_lies_is_malformed(claimed: int) -> None:
    with pytest.raises(MalformedPDU) as caught:
        take(data_values(claimed.to_bytes(4, "big").hex() + "0103ab"))
    assert caught.value.pdu == "P-DATA-TF"
    assert caught.value.offset in (7, 13)


@pytest.mark.parametrize(
    ("value", "problem", "offset"),
    [
        ("", "it holds no presentation data value", None),
        ("0000000201", "a presentation data value is cut short", 7),
        ("000000020103 00000002 05", "a presentation data value is cut short", 13),
        ("000000010103", "a presentation data value claims 1 bytes, 2 are left", 7),
        ("000000030103", "a presentation data value claims 3 bytes, 2 are left", 7),
        ("000000020103 ffffffff 0103", "a presentation data value claims 4294967295 bytes, 2 are left", 13),
    ],
)
def test_data_values_that_are_none_are_malformed(value: str, problem: str, offset: int | None) -> None:
    with pytest.raises(MalformedPDU) as caught:
        take(data_values(value))
    assert (caught.value.problem, caught.value.offset, caught.value.abort_reason) == (problem, offset, 6)


@pytest.mark.parametrize("control", range(256))
def test_only_two_bits_of_the_control_header_count(control: int) -> None:
    pdu = take(data_values(f"00000002 01 {control:02x}"))
    assert pdu == PDataTF((PDV(1, control % 2 == 1, control % 4 >= 2, b""),))


def test_reserved_bytes_are_not_tested() -> None:
    assert decode(bytes.fromhex("03 ff 00000004 ff 01 02 03")) == AssociateRJ(1, 2, 3)
    assert decode(bytes.fromhex("05 ff 00000004 ffffffff")) == ReleaseRQ()
    assert decode(bytes.fromhex("06 ff 00000004 ffffffff")) == ReleaseRP()
    assert decode(bytes.fromhex("07 ff 00000004 ffff 00 05")) == Abort(0, 5)
    assert decode(bytes.fromhex("04 ff 00000006 00000002 0103")) == PDataTF((PDV(1, True, True, b""),))
    fixed = FIXED_PART.replace("0001 0000", "0001 ffff")
    plain = associate(1, CONTEXT_NAME, PROPOSAL)
    assert decode(b"\x01\xff" + associate(1, CONTEXT_NAME, PROPOSAL, fixed=fixed)[2:]) == decode(plain)


def test_the_reserved_bytes_of_an_association_go_back() -> None:
    fixed = FIXED_PART[: -len("00" * 32)] + bytes(range(32)).hex()
    request = take(associate(1, CONTEXT_NAME, PROPOSAL, INFORMATION, fixed=fixed))
    assert request.reserved == bytes(range(32))
    assert AssociateAC("A", "B", (), (), reserved=request.reserved).encode()[42:74] == bytes(range(32))


@pytest.mark.parametrize(
    ("field", "title"),
    [
        (b"THERE".ljust(16), "THERE"),
        (b"THERE".rjust(16), " " * 11 + "THERE"),
        (b"A 16 CHARS TITLE", "A 16 CHARS TITLE"),
        (bytes(16), "\0" * 16),
        (b" " * 16, ""),
        (b"\x1b[2J\xff".ljust(16), "\x1b[2J\xff"),
    ],
)
def test_titles(field: bytes, title: str) -> None:
    body = b"\0\x01\0\0" + field + field + bytes(32)
    request = take(associate(1, PROPOSAL, fixed=body.hex()))
    assert (request.called_ae_title, request.calling_ae_title) == (title, title)
    assert request.encode()[10:42] == field * 2


def test_a_title_of_17_characters_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="longer than 16 characters"):
        AssociateRQ("A" * 17, "B", PROPOSED, ()).encode()
    with pytest.raises(ValueError, match="longer than 16 characters"):
        AssociateAC("A", "B" * 17, (), ()).encode()


@pytest.mark.parametrize("length", [0, 31, 33])
def test_reserved_bytes_of_another_number_are_a_value_error(length: int) -> None:
    """They would be cut or filled up without a word."""
    with pytest.raises(ValueError, match="32"):
        AssociateRQ("A", "B", PROPOSED, (), reserved=bytes(length)).encode()


@pytest.mark.parametrize("version", [-1, 0x10000])
def test_a_version_that_does_not_fit_is_a_value_error(version: int) -> None:
    with pytest.raises(ValueError, match=r"version|65535"):
        AssociateRQ("A", "B", PROPOSED, (), protocol_version=version).encode()


def test_the_protocol_version_is_a_bit_field() -> None:
    for version in (0, 2, 3, 0xFFFF):
        fixed = version.to_bytes(2, "big").hex() + FIXED_PART[4:]
        request = take(associate(1, PROPOSAL, fixed=fixed))
        assert request.protocol_version == version
        assert request.encode()[6:8] == version.to_bytes(2, "big")


def test_a_request_without_application_context_or_user_information() -> None:
    request = take(associate(1, PROPOSAL))
    assert (request.application_context, request.user_information, request.unknown_items) == ("", (), ())


def test_a_padded_application_context() -> None:
    assert take(associate(1, "10 00 0004 312e3200", PROPOSAL)).application_context == "1.2"


def test_a_request_without_presentation_context_is_malformed() -> None:
    with pytest.raises(MalformedPDU, match="it proposes no presentation context"):
        take(associate(1, CONTEXT_NAME, INFORMATION))
    with pytest.raises(MalformedPDU, match="it proposes no presentation context"):
        take(associate(1, CONTEXT_NAME, ANSWER, INFORMATION))


def test_two_contexts_with_one_id_are_malformed() -> None:
    with pytest.raises(MalformedPDU, match="two presentation contexts with one id"):
        take(associate(1, PROPOSAL, PROPOSAL))


def test_an_even_id_is_malformed() -> None:
    with pytest.raises(MalformedPDU, match="presentation context id 2 is not odd"):
        take(associate(1, PROPOSAL.replace("002e 01", "002e 02")))


def test_all_128_contexts() -> None:
    contexts = tuple([PresentationContextRQ(number, VERIFICATION, ("1.2",)) for number in range(1, 256, 2)])
    request = AssociateRQ("A", "B", contexts, ())
    assert len(contexts) == 128
    assert take(request.encode()) == request


def test_items_in_any_order() -> None:
    """The standard asks for no order of the items in an association PDU."""
    straight = take(associate(1, CONTEXT_NAME, PROPOSAL, INFORMATION))
    assert take(associate(1, INFORMATION, PROPOSAL, CONTEXT_NAME)) == straight


@pytest.mark.parametrize("kind", [1, 2])
def test_unknown_items_are_kept(kind: int) -> None:
    context = PROPOSAL if kind == 1 else ANSWER
    data = associate(kind, CONTEXT_NAME, context, INFORMATION, UNKNOWN, "99 00 0000")
    pdu = take(data)
    assert pdu.unknown_items == (UnknownItem(0x77, b"\xbe\xef"), UnknownItem(0x99, b""))
    assert pdu.encode() == data


def test_the_item_of_the_other_direction_is_unknown() -> None:
    assert take(associate(1, PROPOSAL, ANSWER)).unknown_items[0].kind == 0x21
    assert take(associate(2, ANSWER, PROPOSAL)).unknown_items[0].kind == 0x20


def test_two_user_information_items_are_read_as_one() -> None:
    request = take(associate(1, PROPOSAL, "50 00 0008 51 00 0004 00004000", "50 00 0007 52 00 0003 312e32"))
    assert request.user_information == (MaximumLength(16384), ImplementationClassUID("1.2"))


def test_an_item_that_is_too_long_is_a_value_error() -> None:
    syntaxes = ("1" * 64,) * 964  # 65,552 bytes
    with pytest.raises(ValueError, match="item 20H would be"):
        AssociateRQ("A", "B", (PresentationContextRQ(1, "1", syntaxes),), ()).encode()


def test_the_largest_request_we_may_send_is_one_we_take() -> None:
    syntax = item(0x40, b"1" * 64)
    body = b"\x01\0\0\0" + item(0x30, b"1" * 64) + syntax * 53
    proposals = [item(0x20, bytes([number]) + body[1:]).hex() for number in range(1, 256, 2)]
    assert len(take(associate(1, *proposals)).presentation_contexts) == 128


def test_the_values_of_a_rejection_are_those_of_table_9_21() -> None:
    assert module.REJECTION_RESULTS == {1: "permanent", 2: "transient"}
    assert list(module.REJECTION_SOURCES) == [1, 2, 3]
    assert list(module.REJECTION_REASONS) == [(1, 1), (1, 2), (1, 3), (1, 7), (2, 1), (2, 2), (3, 1), (3, 2)]
    assert module.REJECTION_REASONS[1, 3] == "calling AE title not recognized"
    assert module.REJECTION_REASONS[1, 7] == "called AE title not recognized"
    assert module.REJECTION_REASONS[2, 2] == "protocol version not supported"
    assert module.REJECTION_REASONS[3, 1] == "temporary congestion"


def test_the_values_of_an_abort_are_those_of_table_9_26() -> None:
    assert module.ABORT_SOURCES == {0: "service user", 2: "service provider"}
    assert list(module.ABORT_REASONS) == [0, 1, 2, 4, 5, 6]
    assert module.ABORT_REASONS[1] == "unrecognized PDU"
    assert module.ABORT_REASONS[6] == "invalid PDU parameter value"


def test_every_pdu_has_its_name() -> None:
    names = ["A-ASSOCIATE-RQ", "A-ASSOCIATE-AC", "A-ASSOCIATE-RJ", "P-DATA-TF", "A-RELEASE-RQ", "A-RELEASE-RP"]
    assert dict(enumerate([*names, "A-ABORT"], 1)) == module.PDU_NAMES


@pytest.mark.parametrize("command", [b"", b"ab", bytes(68)])
def test_a_whole_command_is_encoded_as_its_pdu_is(command: bytes) -> None:
    assert module.encode_whole_command(3, command) == module.PDataTF((module.PDV(3, True, True, command),)).encode()
