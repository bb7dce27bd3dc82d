"""Command sets and their fragments (PS3.7 6.3, 9.3.5, Annexes C and E; PS3.8 Annex E)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcmecho.dimse import (
    COMMAND_NAMES,
    STATUS_NAMES,
    CEchoRQ,
    CEchoRSP,
    CommandSet,
    MessageAssembler,
    OtherCommand,
    _decode_any_command,
    command_name,
    decode_command,
    fragment,
    status_text,
)
from dcmecho.errors import MalformedMessage
from dcmecho.pdu import PDV, PDataTF, decode
from dcmecho.uids import MAX_MESSAGE_LENGTH
from strategies import echo_requests, echo_responses, uint16s

UID_ELEMENT = "0000 0200 12000000 312e322e3834302e31303030382e312e3100"
C_ECHO_RQ_5 = (
    "0000 0000 04000000 38000000"  # (0000,0000) group length: 56
    + UID_ELEMENT  # (0000,0002) affected SOP class UID, padded with NUL
    + "0000 0001 02000000 3000"  # (0000,0100) command field: 0030H
    "0000 1001 02000000 0500"  # (0000,0110) message id: 5
    "0000 0008 02000000 0101"  # (0000,0800) command data set type: 0101H, none
)
C_ECHO_RSP_5 = (
    "0000 0000 04000000 42000000"  # (0000,0000) group length: 66
    + UID_ELEMENT
    + "0000 0001 02000000 3080"  # (0000,0100) command field: 8030H
    "0000 2001 02000000 0500"  # (0000,0120) message id being responded to: 5
    "0000 0008 02000000 0101"  # (0000,0800) command data set type
    "0000 0009 02000000 0000"  # (0000,0900) status: Success
)
C_ECHO_RSP_IN_DETAIL = (
    "0000 0000 04000000 68000000"  # 104
    + UID_ELEMENT
    + "0000 0001 02000000 3080"
    "0000 2001 02000000 ffff"
    "0000 0008 02000000 0101"
    "0000 0009 02000000 2201"  # 0122H
    "0000 0109 08000000 0000 0201 0800 1800"  # (0000,0901) offending element: tags 0000,0102 and 0008,0018
    "0000 0209 04000000 6e6f2120"  # (0000,0902) error comment: "no!", padded with a space
    "0000 0309 02000000 0700"  # (0000,0903) error id: 7
)
IN_DETAIL = CEchoRSP(0xFFFF, 0x0122, offending_elements=(0x00000102, 0x00080018), error_comment="no!", error_id=7)

# A command field for each message of PS3.7 Table E.1-1
FIELDS = {
    "C-STORE": 0x0001,
    "C-GET": 0x0010,
    "C-FIND": 0x0020,
    "C-MOVE": 0x0021,
    "C-ECHO": 0x0030,
    "N-EVENT-REPORT": 0x0100,
    "N-GET": 0x0110,
    "N-SET": 0x0120,
    "N-ACTION": 0x0130,
    "N-CREATE": 0x0140,
    "N-DELETE": 0x0150,
}


def element(number: int, value: bytes, group: int = 0) -> bytes:
    return group.to_bytes(2, "little") + number.to_bytes(2, "little") + len(value).to_bytes(4, "little") + value


def us(number: int, value: int) -> bytes:
    return element(number, value.to_bytes(2, "little"))


def pieces(pdus: list[PDataTF]) -> list[PDV]:
    return [pdv for pdu in pdus for pdv in pdu.pdvs]


@pytest.mark.parametrize(
    ("message", "expected", "size"),
    [
        (CEchoRQ(5), C_ECHO_RQ_5, 68),
        (CEchoRSP(5), C_ECHO_RSP_5, 78),
        (IN_DETAIL, C_ECHO_RSP_IN_DETAIL, 116),
    ],
)
def test_encode_and_decode(message: CEchoRQ | CEchoRSP, expected: str, size: int) -> None:
    data = bytes.fromhex(expected)
    assert len(data) == size
    assert message.encode().hex(" ") == data.hex(" ")
    assert message.command_set().encode() == data
    assert decode_command(data) == message
    assert decode_command(data).command_field == message.command_field


@given(st.one_of(echo_requests, echo_responses))
def test_every_echo_comes_back(message: CEchoRQ | CEchoRSP) -> None:
    data = message.encode()
    assert data == message.command_set().encode()
    assert int.from_bytes(data[8:12], "little") == len(data) - 12
    assert len(data) % 2 == 0
    assert decode_command(data) == message


@given(st.one_of(echo_requests, echo_responses), st.data())
def test_the_fast_path_decides_nothing(message: CEchoRQ | CEchoRSP, data: st.DataObject) -> None:
    """Whatever is changed, cut off or added: comparing bytes gives what decoding every element gives."""
    raw = bytearray(message.encode())
    for _ in range(data.draw(st.integers(0, 2))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    changed = bytes(raw[: data.draw(st.integers(0, len(raw)))]) if data.draw(st.booleans()) else bytes(raw)
    changed += data.draw(st.binary(max_size=10))
    outcomes: list[Any] = []
    for way in (decode_command, _decode_any_command):
        try:
            outcomes.append(way(changed))
        except MalformedMessage as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("message_id", [0, 1, 255, 256, 0xFFFF])
def test_every_message_id(message_id: int) -> None:
    assert CEchoRQ(message_id).encode()[-12:-10] == message_id.to_bytes(2, "little")
    assert decode_command(CEchoRQ(message_id).encode()) == CEchoRQ(message_id)
    assert decode_command(CEchoRSP(message_id).encode()) == CEchoRSP(message_id)


@given(st.binary(max_size=150))
def test_any_bytes_are_a_command_or_malformed(data: bytes) -> None:
    try:
        decode_command(data)
    except MalformedMessage:
        pass


@pytest.mark.parametrize("text", [C_ECHO_RQ_5, C_ECHO_RSP_5, C_ECHO_RSP_IN_DETAIL])
def test_a_command_set_cut_at_any_byte_is_malformed_or_lacks_only_detail(text: str) -> None:
    data = bytes.fromhex(text)
    for end in range(len(data)):
        if end in (78, 94, 106):  # after the status, the offending elements, the error comment
            assert isinstance(decode_command(data[:end]), CEchoRSP)
        else:
            with pytest.raises(MalformedMessage):
                decode_command(data[:end])


@pytest.mark.parametrize("length", [0, 1, 0x11, 0x13, 0xFFFF, 0xFFFFFFFF])
def test_an_element_length_that_lies_is_malformed(length: int) -> None:
    data = bytearray.fromhex(C_ECHO_RQ_5)
    data[16:20] = length.to_bytes(4, "little")
    with pytest.raises(MalformedMessage):
        decode_command(bytes(data))


@pytest.mark.parametrize("length", [0, 55, 57, 0xFFFFFFFF])
def test_a_group_length_that_lies_changes_nothing(length: int) -> None:
    data = bytearray.fromhex(C_ECHO_RQ_5)
    data[8:12] = length.to_bytes(4, "little")
    assert decode_command(bytes(data)) == CEchoRQ(5)


def test_group_length_and_order_are_not_needed() -> None:
    assert decode_command(us(0x0800, 0x0101) + us(0x0110, 7) + us(0x0100, 0x0030)) == CEchoRQ(7)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "the command set has no command field (0000,0100)"),
        (us(0x0110, 1), "the command set has no command field (0000,0100)"),
        (element(0x0100, b""), "the command set has no command field (0000,0100)"),
        (element(0x0100, b"\x30"), "element (0000,0100) of the command set is 1 byte long, not 2"),
        (us(0x0100, 0x30)[:7], "the command set ends inside an element"),
        (us(0x0100, 0x30)[:9], "element (0000,0100) claims 2 bytes, the command set has 1 left"),
        (us(0x0100, 0x30) * 2, "element (0000,0100) is in the command set twice"),
        (element(0x0018, b"", group=8), "element (0008,0018) does not belong in a command set"),
        (us(0x0100, 0x30), "the command set has no command data set type (0000,0800)"),
        (us(0x0100, 0x30) + us(0x0800, 0x0101), "the command set has no message id (0000,0110)"),
        (
            us(0x0100, 0x8030) + us(0x0800, 0x0101),
            "the command set has no message id being responded to (0000,0120)",
        ),
        (us(0x0100, 0x8030) + us(0x0120, 1) + us(0x0800, 0x0101), "the command set has no status (0000,0900)"),
        (us(0x0100, 0x0030) + us(0x0110, 1) + us(0x0800, 0), "C-ECHO-RQ announces a data set, and has none"),
        (us(0x0100, 0x8030) + us(0x0800, 0x0102), "C-ECHO-RSP announces a data set, and has none"),
    ],
)
def test_what_is_no_command_is_malformed(data: bytes, problem: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        decode_command(data)
    assert caught.value.problem.startswith(problem)


def test_offending_elements_are_read_four_bytes_at_a_time() -> None:
    data = bytes.fromhex(C_ECHO_RSP_5) + element(0x0901, bytes.fromhex("08001800 0800"))
    response = decode_command(data)
    assert isinstance(response, CEchoRSP)
    assert response.offending_elements == (0x00080018,)


@pytest.mark.parametrize("name", FIELDS)
def test_every_message_is_named(name: str) -> None:
    request, response = FIELDS[name], FIELDS[name] | 0x8000
    assert (command_name(request), command_name(response)) == (f"{name}-RQ", f"{name}-RSP")


def test_the_list_of_messages_is_complete() -> None:
    assert command_name(0x0FFF) == "C-CANCEL-RQ"
    assert command_name(0x1234) == "unknown command 1234H"
    assert set(COMMAND_NAMES) == {0x0FFF, *FIELDS.values(), *[field | 0x8000 for field in FIELDS.values()]}


@given(uint16s.filter(lambda field: field not in (0x0030, 0x8030)))
def test_any_other_message_is_kept_whole(field: int) -> None:
    command = CommandSet({0x0002: b"1.2\0", 0x0100: field.to_bytes(2, "little"), 0x0800: b"\0\0"})
    decoded = decode_command(command.encode())
    assert decoded == OtherCommand(field, command)
    assert isinstance(decoded, OtherCommand)
    assert decoded.command.encode() == command.encode()


def test_elements_of_a_command_set() -> None:
    command = CommandSet({0x0002: b"1.2\0", 0x0110: b"\x01\x02\x03", 0x0902: b"\xe9 \0"})
    assert command.text(0x0002) == "1.2"
    assert command.text(0x0902) == "é"
    assert command.text(0x1000) == ""
    assert command.uint16(0x0110) == 0x0201
    assert command.uint16(0x1000) is None


def test_equal_command_sets_have_one_hash() -> None:
    one = CommandSet({0x0100: b"\1\0", 0x0110: b"\2\0"})
    other = CommandSet({0x0110: b"\2\0", 0x0100: b"\1\0"})
    assert one == other
    assert hash(one) == hash(other)
    assert hash(OtherCommand(1, one)) == hash(OtherCommand(1, other))


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0x0000, "Success"),
        (0x0001, "Warning, 0001H"),
        (0x0002, "Unknown, 0002H"),
        (0x00FF, "Unknown, 00FFH"),
        (0x0100, "Failure, 0100H"),
        (0x0107, "Attribute List Error, 0107H"),
        (0x0110, "Processing Failure, 0110H"),
        (0x0122, "Refused: SOP Class Not Supported, 0122H"),
        (0x0210, "Duplicate Invocation, 0210H"),
        (0x0211, "Unrecognized Operation, 0211H"),
        (0x0212, "Mistyped Argument, 0212H"),
        (0x02FF, "Failure, 02FFH"),
        (0x0300, "Unknown, 0300H"),
        (0x9FFF, "Unknown, 9FFFH"),
        (0xA000, "Failure, A000H"),
        (0xAFFF, "Failure, AFFFH"),
        (0xB000, "Warning, B000H"),
        (0xBFFF, "Warning, BFFFH"),
        (0xC000, "Failure, C000H"),
        (0xCFFF, "Failure, CFFFH"),
        (0xD000, "Unknown, D000H"),
        (0xFE00, "Cancel, FE00H"),
        (0xFF00, "Pending, FF00H"),
        (0xFF01, "Pending, FF01H"),
        (0xFFFF, "Unknown, FFFFH"),
    ],
)
def test_status_text(status: int, text: str) -> None:
    assert status_text(status) == text


def test_every_status_of_annex_c_is_named() -> None:
    general = {0x0000, 0xFE00, 0xFF00, 0xFF01, 0x0105, 0x0106, 0x0107, *range(0x0110, 0x011A), *range(0x0120, 0x0125)}
    assert set(STATUS_NAMES) == general | {0x0210, 0x0211, 0x0212, 0x0213}


@pytest.mark.parametrize("max_pdu", range(8, 101))
@pytest.mark.parametrize("message", [CEchoRQ(1).encode(), CEchoRSP(1).encode()], ids=["RQ", "RSP"])
def test_fragments_are_joined_again(max_pdu: int, message: bytes) -> None:
    made = fragment(5, message, max_pdu)
    assembler = MessageAssembler()
    results = []
    for pdu in made:
        encoded = pdu.encode()
        assert len(encoded) - 6 <= max_pdu
        assert decode(encoded) == pdu
        (pdv,) = pdu.pdvs
        assert (pdv.context_id, pdv.is_command) == (5, True)
        assert pdv.data
        assert len(pdv.data) % 2 == 0
        results.append(assembler.receive(pdv))
    assert [pdv.is_last for pdv in pieces(made)] == [False] * (len(made) - 1) + [True]
    assert results == [None] * (len(made) - 1) + [message]
    assert not assembler.is_inside_message


def test_no_fragment_is_smaller_than_it_must_be() -> None:
    message = CEchoRQ(1).encode()
    assert [len(pdv.data) for pdv in pieces(fragment(1, message, 40))] == [34, 34]
    assert len(fragment(1, message, 73)) == 2
    assert len(fragment(1, message, 74)) == 1
    assert len(fragment(1, message, 75)) == 1
    assert len(fragment(1, message, 8)) == 34


@pytest.mark.parametrize("message", [b"", CEchoRQ(1).encode(), bytes(100_000)])
def test_without_a_limit_there_is_one_fragment(message: bytes) -> None:
    assert fragment(3, message, 0) == [PDataTF((PDV(3, True, True, message),))]


@given(st.binary(max_size=300), st.integers(8, 64))
def test_any_message_is_joined_again(message: bytes, max_pdu: int) -> None:
    assembler = MessageAssembler()
    *before, last = [assembler.receive(pdv) for pdv in pieces(fragment(1, message, max_pdu))]
    assert not any(before)
    assert last == message


def test_a_whole_message_in_one_fragment() -> None:
    assembler = MessageAssembler()
    assert assembler.receive(PDV(1, True, True, b"ab")) == b"ab"
    assert not assembler.is_inside_message


def test_messages_one_after_the_other() -> None:
    assembler = MessageAssembler()
    for context_id in (1, 3):
        assert assembler.receive(PDV(context_id, True, False, b"a")) is None
        assert assembler.is_inside_message
        assert assembler.receive(PDV(context_id, True, True, b"b")) == b"ab"
        assert not assembler.is_inside_message


def test_empty_fragments() -> None:
    assembler = MessageAssembler()
    assert assembler.receive(PDV(1, True, False, b"")) is None
    assert assembler.is_inside_message
    for _ in range(1000):
        assert assembler.receive(PDV(1, True, False, b"")) is None
    assert assembler._pieces == []
    assert assembler.receive(PDV(1, True, False, b"ab")) is None
    assert assembler.receive(PDV(1, True, True, b"")) == b"ab"
    assert assembler.receive(PDV(1, True, True, b"")) == b""


def test_a_data_set_fragment_is_refused() -> None:
    for is_last in (True, False):
        with pytest.raises(MalformedMessage, match="a data set fragment"):
            MessageAssembler().receive(PDV(1, False, is_last, b""))
    assembler = MessageAssembler()
    assembler.receive(PDV(1, True, False, b"a"))
    with pytest.raises(MalformedMessage, match="a data set fragment"):
        assembler.receive(PDV(1, False, True, b"a"))


@pytest.mark.parametrize("is_last", [True, False])
def test_another_context_inside_a_message_is_refused(is_last: bool) -> None:
    assembler = MessageAssembler()
    assembler.receive(PDV(1, True, False, b"a"))
    with pytest.raises(MalformedMessage, match="presentation context 3 inside a message of context 1"):
        assembler.receive(PDV(3, True, is_last, b"b"))


def test_a_message_of_the_context_with_number_0_is_joined_too() -> None:
    """No peer may use it, but the assembler must not lose its beginning."""
    assembler = MessageAssembler()
    assert assembler.receive(PDV(0, True, False, b"a")) is None
    assert assembler.is_inside_message
    assert assembler.receive(PDV(0, True, True, b"b")) == b"ab"


@pytest.mark.parametrize("sizes", [[11], [5, 6], [10, 1], [0, 11], [1] * 11])
def test_a_message_that_is_too_long_is_refused(sizes: list[int]) -> None:
    for last in (True, False):
        assembler = MessageAssembler(10)
        for size in sizes[:-1]:
            assert assembler.receive(PDV(1, True, False, bytes(size))) is None
        with pytest.raises(MalformedMessage, match="the command set is longer than 10 bytes"):
            assembler.receive(PDV(1, True, last, bytes(sizes[-1])))


@pytest.mark.parametrize("sizes", [[10], [5, 5], [10, 0], [1] * 10])
def test_a_message_may_be_as_long_as_allowed(sizes: list[int]) -> None:
    assembler = MessageAssembler(10)
    for size in sizes[:-1]:
        assert assembler.receive(PDV(1, True, False, bytes(size))) is None
    assert assembler.receive(PDV(1, True, True, bytes(sizes[-1]))) == bytes(10)


def test_the_length_of_one_message_does_not_count_for_the_next() -> None:
    assembler = MessageAssembler(10)
    for _ in range(3):
        assert assembler.receive(PDV(1, True, False, bytes(6))) is None
        assert assembler.receive(PDV(1, True, True, bytes(4))) == bytes(10)


def test_the_limit_of_a_message_that_holds_where_none_is_given() -> None:
    assert MessageAssembler().max_length == MAX_MESSAGE_LENGTH == 64 * 1024
