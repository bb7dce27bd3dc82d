"""A small, strict reader of DER (X.690), as far as certificates, keys and revocation lists need it.

Definite lengths only, in their shortest form; nothing is believed that does not fit into what surrounds it. It reads
what somebody else has already verified or rejected: it decides about no signature.
"""

SEQUENCE = 0x30
SET = 0x31
BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18

MAXIMUM_OID = 64  # bytes; the longest in use have about 20


class DERError(ValueError):
    """What was read is not DER, or not what was expected there."""


class Reader:
    """Reads the elements in `data` from `start` to `end`, one after the other."""

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self._data = data
        self._position = start
        self._end = len(data) if end is None else end

    def at_end(self) -> bool:
        """Tell whether nothing is left."""
        return self._position == self._end

    def peek(self) -> int:
        """Return the tag of the next element, or -1 at the end."""
        return self._data[self._position] if self._position < self._end else -1

    def _header(self) -> tuple[int, int, int]:
        data, position, end = self._data, self._position, self._end
        if end - position < 2:
            raise DERError(f"ends inside an element at byte {position}")
        tag, length = data[position], data[position + 1]
        if tag & 0x1F == 0x1F:
            raise DERError(f"tag of several bytes at byte {position}")
        start = position + 2
        if length & 0x80:
            count = length & 0x7F
            if not 1 <= count <= 4 or end - start < count:
                raise DERError(f"length cannot be used at byte {position + 1}")
            length = int.from_bytes(data[start : start + count], "big")
            if length < 0x80 or length >> (8 * (count - 1)) == 0:
                raise DERError(f"length is not in its shortest form at byte {position + 1}")
            start += count
        if length > end - start:
            raise DERError(f"element at byte {position} is longer than what holds it")
        return tag, start, start + length

    def element(self) -> tuple[int, bytes]:
        """Read any element: its tag and its content."""
        tag, start, end = self._header()
        self._position = end
        return tag, self._data[start:end]

    def value(self, expected: int) -> bytes:
        """Read an element that must have the tag `expected`; return its content."""
        position = self._position
        tag, content = self.element()
        if tag != expected:
            raise DERError(f"tag 0x{tag:02x} instead of 0x{expected:02x} at byte {position}")
        return content

    def nested(self, expected: int) -> "Reader":
        """Read an element with the tag `expected`; return a reader of its content."""
        position = self._position
        tag, start, end = self._header()
        if tag != expected:
            raise DERError(f"tag 0x{tag:02x} instead of 0x{expected:02x} at byte {position}")
        self._position = end
        return Reader(self._data, start, end)

    def optional(self, expected: int) -> "Reader | None":
        """Read an element with the tag `expected`, if it comes next; return a reader of its content."""
        return self.nested(expected) if self.peek() == expected else None

    def whole(self) -> bytes:
        """Read any element; return it with its header."""
        begin = self._position
        _, _, end = self._header()
        self._position = end
        return self._data[begin:end]

    def skip(self) -> None:
        """Pass over any element."""
        self._position = self._header()[2]

    def integer(self) -> int:
        """Read an INTEGER."""
        content = self.value(INTEGER)
        if not content:
            raise DERError("INTEGER without content")
        return int.from_bytes(content, "big", signed=True)

    def boolean(self) -> bool:
        """Read a BOOLEAN."""
        content = self.value(BOOLEAN)
        if len(content) != 1:
            raise DERError("BOOLEAN that is not one byte long")
        return content != b"\0"

    def oid(self) -> str:
        """Read an OBJECT IDENTIFIER in dotted form."""
        return oid_text(self.value(OBJECT_IDENTIFIER))

    def bits(self) -> bytes:
        """Read a BIT STRING that holds whole bytes."""
        content = self.value(BIT_STRING)
        if not content or content[0] != 0:
            raise DERError("BIT STRING that does not hold whole bytes")
        return content[1:]

    def time(self) -> int:
        """Read a UTCTime or GeneralizedTime as RFC 5280 4.1.2.5 restricts them; seconds since 1970."""
        tag, content = self.element()
        if tag not in (UTC_TIME, GENERALIZED_TIME):
            raise DERError(f"tag 0x{tag:02x} where a time should be")
        return _seconds(content, 2 if tag == UTC_TIME else 4)


def oid_text(content: bytes) -> str:
    """Return the dotted form of the content of an OBJECT IDENTIFIER."""
    if not 0 < len(content) <= MAXIMUM_OID or content[-1] & 0x80:
        raise DERError("OBJECT IDENTIFIER that is empty, too long or cut off")
    arcs = []
    arc = 0
    for byte in content:
        arc = arc << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def _seconds(content: bytes, year_digits: int) -> int:
    digits = content[:-1]
    if content[-1:] != b"Z" or len(digits) != year_digits + 10 or not digits.isdigit():
        raise DERError("time that is not in the form RFC 5280 asks for")
    year = int(digits[:year_digits])
    if year_digits == 2:
        year += 1900 if year >= 50 else 2000
    month, day, hour, minute, second = (int(digits[at : at + 2]) for at in range(year_digits, year_digits + 10, 2))
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60):
        raise DERError("time that no clock shows")
    return ((days_from_civil(year, month, day) * 24 + hour) * 60 + minute) * 60 + second


def days_from_civil(year: int, month: int, day: int) -> int:
    """Return the days from 1970-01-01 to a date of the Gregorian calendar."""
    # The year is counted from March, so that the leap day is its last: then a month's offset is a plain formula.
    year -= month <= 2
    era_day = 365 * year + year // 4 - year // 100 + year // 400
    return era_day + (153 * ((month + 9) % 12) + 2) // 5 + day - 1 - 719468
