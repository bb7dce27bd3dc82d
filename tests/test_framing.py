"""A stream is cut into the same PDUs whatever pieces it arrives in, and nothing is held that would not be taken."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcmecho.errors import MalformedPDU
from dcmecho.pdu import Abort, Framing, ReleaseRQ
from dcmecho.uids import MAX_ASSOCIATION_PDU, MAX_UNLIMITED_PDU
from strategies import cut, pdus, piece_sizes

RELEASE = ReleaseRQ().encode()
ABORT = Abort(2, 1).encode()


def header(kind: int, length: int) -> bytes:
    return bytes([kind, 0]) + length.to_bytes(4, "big")


def drain(framing: Framing) -> list[bytes]:
    taken = []
    while (pdu := framing.next_pdu()) is not None:
        assert type(pdu) is bytes
        taken.append(pdu)
    return taken


@given(st.lists(pdus, min_size=1, max_size=6), piece_sizes)
def test_any_pieces_give_the_same_pdus(made: list[Any], sizes: list[int]) -> None:
    encoded = [pdu.encode() for pdu in made]
    framing = Framing(0)
    taken = []
    for piece in cut(b"".join(encoded), sizes):
        framing.feed(piece)
        taken += drain(framing)
    assert taken == encoded
    assert not framing.is_inside_pdu


@given(st.lists(pdus, min_size=1, max_size=4), piece_sizes)
def test_what_was_fed_may_be_taken_later(made: list[Any], sizes: list[int]) -> None:
    """Also when each piece is followed by one look only, so that pieces pile up behind whole PDUs."""
    encoded = [pdu.encode() for pdu in made]
    framing = Framing(0)
    taken = []
    for piece in cut(b"".join(encoded), sizes):
        framing.feed(piece)
        pdu = framing.next_pdu()
        if pdu is not None:
            taken.append(pdu)
    assert taken + drain(framing) == encoded


@given(st.binary(max_size=300), piece_sizes)
def test_any_bytes_are_cut_or_malformed(data: bytes, sizes: list[int]) -> None:
    framing = Framing(4096, 4096)
    for piece in cut(data, sizes):
        framing.feed(piece)
        try:
            drain(framing)
        except MalformedPDU:
            return
        assert len(framing._held) - framing._place < 4096 + 6


def test_nothing_has_arrived() -> None:
    framing = Framing(16384)
    assert (framing.next_pdu(), framing.is_inside_pdu, framing.excerpt) == (None, False, b"")


def test_byte_by_byte() -> None:
    framing = Framing(16384)
    for byte in RELEASE[:-1]:
        framing.feed(bytes([byte]))
        assert framing.next_pdu() is None
        assert framing.is_inside_pdu
    framing.feed(RELEASE[-1:])
    assert framing.next_pdu() == RELEASE
    assert not framing.is_inside_pdu
    assert framing.next_pdu() is None


def test_a_whole_pdu_is_handed_out_without_copying() -> None:
    framing = Framing(16384)
    framing.feed(RELEASE)
    assert framing.next_pdu() is RELEASE


def test_is_inside_pdu() -> None:
    framing = Framing(16384)
    seen = [framing.is_inside_pdu]
    for piece in (b"", RELEASE + ABORT[:3], b"", ABORT[3:]):
        framing.feed(piece)
        seen.append(framing.is_inside_pdu)
        framing.next_pdu()
        seen.append(framing.is_inside_pdu)
    assert seen == [False, False, False, True, True, True, True, True, False]


@pytest.mark.parametrize("limit", [8, 4096, 16384, 131072])
def test_a_data_pdu_may_be_as_long_as_announced(limit: int) -> None:
    framing = Framing(limit)
    framing.feed(header(4, limit))
    assert framing.next_pdu() is None
    framing.feed(bytes(limit))
    assert framing.next_pdu() == header(4, limit) + bytes(limit)


@pytest.mark.parametrize(("limit", "claimed"), [(8, 9), (4096, 4097), (16384, 0xFFFF), (16384, 0xFFFFFFFF)])
def test_a_data_pdu_longer_than_announced_is_refused_at_its_header(limit: int, claimed: int) -> None:
    framing = Framing(limit)
    data = header(4, claimed)
    framing.feed(data[:5])
    assert framing.next_pdu() is None
    framing.feed(data[5:])
    with pytest.raises(MalformedPDU, match=f"it claims {claimed} bytes, {limit} are allowed at byte 3") as caught:
        framing.next_pdu()
    assert (caught.value.pdu, caught.value.abort_reason) == ("P-DATA-TF", 6)


def test_no_announced_limit_is_not_without_limit() -> None:
    framing = Framing(0)
    assert framing.max_pdu == MAX_UNLIMITED_PDU == 1024 * 1024
    framing.feed(header(4, MAX_UNLIMITED_PDU))
    assert framing.next_pdu() is None
    framing.discard()
    framing.feed(header(4, MAX_UNLIMITED_PDU + 1))
    with pytest.raises(MalformedPDU):
        framing.next_pdu()


@pytest.mark.parametrize("kind", [1, 2])
def test_association_pdus_have_a_limit_of_their_own(kind: int) -> None:
    framing = Framing(8, 100)
    framing.feed(header(kind, 100))
    assert framing.next_pdu() is None
    framing.discard()
    framing.feed(header(kind, 101))
    with pytest.raises(MalformedPDU, match="it claims 101 bytes, 100 are allowed at byte 3") as caught:
        framing.next_pdu()
    assert caught.value.pdu == ("A-ASSOCIATE-RQ" if kind == 1 else "A-ASSOCIATE-AC")
    assert Framing(8).max_association_pdu == MAX_ASSOCIATION_PDU == 512 * 1024


@pytest.mark.parametrize("kind", [3, 5, 6, 7])
def test_control_pdus_are_refused_at_their_header(kind: int) -> None:
    framing = Framing(0)
    framing.feed(header(kind, 5))
    with pytest.raises(MalformedPDU, match="not 4"):
        framing.next_pdu()


@pytest.mark.parametrize("kind", [0, 8, 0x15, 0x16, 0x48, 0x53, 0xFF])
@pytest.mark.parametrize("length", [1, 5, 6, 60])
def test_an_unknown_type_is_refused_at_its_first_byte(kind: int, length: int) -> None:
    framing = Framing(16384)
    data = (bytes([kind]) + b"TTP/1.1 400 Bad Request\r\nServer: x\r\nContent-Length: 0\r\n\r\n...")[:length]
    framing.feed(RELEASE + data)
    assert framing.next_pdu() == RELEASE
    with pytest.raises(MalformedPDU) as caught:
        framing.next_pdu()
    error = caught.value
    assert (error.pdu, error.problem, error.offset) == (f"PDU type {kind:02X}H", "no such PDU", 1)
    assert (error.abort_reason, error.excerpt) == (1, data)


def test_an_excerpt_has_64_bytes_at_most() -> None:
    framing = Framing(16384)
    framing.feed(b"H" * 100)
    assert framing.excerpt == b"H" * 64
    with pytest.raises(MalformedPDU) as caught:
        framing.next_pdu()
    assert caught.value.excerpt == b"H" * 64


def test_what_is_discarded_is_gone() -> None:
    framing = Framing(16384)
    framing.feed(RELEASE + ABORT[:4])
    framing.discard()
    assert not framing.is_inside_pdu
    assert framing.next_pdu() is None
    framing.feed(ABORT)
    assert framing.next_pdu() == ABORT


def test_what_was_taken_is_not_held() -> None:
    framing = Framing(16384)
    framing.feed(RELEASE * 1000 + ABORT[:3])
    assert len(drain(framing)) == 1000
    framing.feed(ABORT[3:5])
    assert len(framing._held) == 5
    framing.feed(ABORT[5:])
    assert drain(framing) == [ABORT]
    assert len(framing._held) == 0
