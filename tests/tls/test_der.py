"""The DER reader: what it reads, and what it refuses."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcmecho.tls.der import DERError, Reader, days_from_civil, oid_text


def test_elements_in_turn() -> None:
    reader = Reader(bytes.fromhex("3003 020105 0101ff 0500"))
    inner = reader.nested(0x30)
    assert inner.integer() == 5
    assert inner.at_end()
    assert inner.peek() == -1
    assert reader.peek() == 0x01
    assert reader.boolean() is True
    assert reader.optional(0x30) is None
    assert reader.whole() == b"\x05\x00"
    assert reader.at_end()


def test_long_lengths() -> None:
    assert Reader(b"\x04\x81\x80" + bytes(128)).value(0x04) == bytes(128)
    assert Reader(b"\x04\x82\x01\x00" + bytes(256)).value(0x04) == bytes(256)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "30",
        "3001",  # longer than what there is
        "0480",  # indefinite
        "04800000",
        "048101 00",  # long form where the short one would do
        "04820080" + "00" * 128,  # a leading zero
        "0485 0000000001 00",  # five bytes of length
        "048200",
        "0482 0200" + "00" * 16,
        "1f8100",  # a tag of several bytes
    ],
)
def test_elements_that_are_none(data: str) -> None:
    content = bytes.fromhex(data)
    for read in (Reader(content).element, Reader(content).whole, Reader(content).skip):
        with pytest.raises(DERError):
            read()


def test_an_element_longer_than_what_holds_it() -> None:
    inner = Reader(bytes.fromhex("3003 040200 ff")).nested(0x30)
    with pytest.raises(DERError, match="longer than what holds it"):
        inner.element()


def test_contents_that_are_none() -> None:
    with pytest.raises(DERError, match="without content"):
        Reader(b"\x02\x00").integer()
    with pytest.raises(DERError, match="not one byte long"):
        Reader(b"\x01\x02\x00\x00").boolean()
    for bits in (b"\x03\x00", b"\x03\x02\x01\x00"):
        with pytest.raises(DERError, match="whole bytes"):
            Reader(bits).bits()
    for oid in (b"\x06\x00", b"\x06\x01\x80"):
        with pytest.raises(DERError, match="empty, too long or cut off"):
            Reader(oid).oid()


def test_other_tag_is_refused() -> None:
    with pytest.raises(DERError, match="0x05 instead of 0x30"):
        Reader(b"\x05\x00").nested(0x30)
    with pytest.raises(DERError, match="0x05 instead of 0x02"):
        Reader(b"\x05\x00").integer()
    with pytest.raises(DERError, match="where a time"):
        Reader(b"\x05\x00").time()


def test_oids() -> None:
    assert oid_text(bytes.fromhex("2a864886f70d010101")) == "1.2.840.113549.1.1.1"
    assert oid_text(bytes.fromhex("550403")) == "2.5.4.3"
    assert oid_text(bytes.fromhex("883703")) == "2.999.3"
    with pytest.raises(DERError):
        oid_text(b"\x01" * 65)


@pytest.mark.parametrize(
    ("tag", "text", "expected"),
    [
        (0x17, "491231235959Z", (2049, 12, 31, 23, 59, 59)),
        (0x17, "500101000000Z", (1950, 1, 1, 0, 0, 0)),
        (0x18, "20500101000000Z", (2050, 1, 1, 0, 0, 0)),
        (0x18, "20000229120000Z", (2000, 2, 29, 12, 0, 0)),
    ],
)
def test_times(tag: int, text: str, expected: tuple[int, int, int, int, int, int]) -> None:
    moment = dt.datetime(*expected, tzinfo=dt.UTC)
    assert Reader(bytes((tag, len(text))) + text.encode()).time() == moment.timestamp()


@pytest.mark.parametrize(
    "text", ["991301000000Z", "9912310000Z", "991231000000+", "99123100000xZ", "990100000000Z", ""]
)
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(DERError):
        Reader(bytes((0x17, len(text))) + text.encode()).time()


@given(st.dates())
def test_calendar(date: dt.date) -> None:
    assert days_from_civil(date.year, date.month, date.day) == (date - dt.date(1970, 1, 1)).days


@given(st.binary(max_size=40))
def test_anything_ends(data: bytes) -> None:
    reader = Reader(data)
    try:
        while not reader.at_end():
            reader.element()
    except DERError:
        pass
