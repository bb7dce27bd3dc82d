"""Names of data elements, for dumps: built in for command sets, and from data dictionaries in DCMTK's format.

A dictionary has one entry a line, its fields separated by single tabs: tag, VR, name, and, optionally, VM and
version. ``#`` begins a comment line. A tag is ``(gggg,eeee)``, all hexadecimal; either part may be a range:
``gggg-gggg`` means the even numbers between, ``gggg-o-gggg`` the odd ones, ``gggg-u-gggg`` all. The tag of a private
element, ``(gggg,"CREATOR",ee)``, names its creator: such entries are checked, but name nothing here, because neither
command sets nor the attribute lists of an error (PS3.7 C) tell a creator.
"""

import os

from dcmecho.causes import INPUT_FILE_UNREADABLE
from dcmecho.errors import LocalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "DCMDICTPATH"

MAX_FILE_SIZE = 16 * 1024 * 1024
"""Bytes. DCMTK's dictionary of the whole standard has 0.25 MB."""

UNKNOWN_NAME = "Unknown Tag & Data"
UNKNOWN_VR = "UN"

# PS3.7 E.1: element of group 0000, VR, keyword.
_COMMAND_ELEMENTS = """
0000 UL CommandGroupLength
0002 UI AffectedSOPClassUID
0003 UI RequestedSOPClassUID
0100 US CommandField
0110 US MessageID
0120 US MessageIDBeingRespondedTo
0600 AE MoveDestination
0700 US Priority
0800 US CommandDataSetType
0900 US Status
0901 AT OffendingElement
0902 LO ErrorComment
0903 US ErrorID
1000 UI AffectedSOPInstanceUID
1001 UI RequestedSOPInstanceUID
1002 US EventTypeID
1005 AT AttributeIdentifierList
1008 US ActionTypeID
1020 US NumberOfRemainingSuboperations
1021 US NumberOfCompletedSuboperations
1022 US NumberOfFailedSuboperations
1023 US NumberOfWarningSuboperations
1030 AE MoveOriginatorApplicationEntityTitle
1031 US MoveOriginatorMessageID
"""

# PS3.7 E.2: retired.
_RETIRED_COMMAND_ELEMENTS = """
0001 UL CommandLengthToEnd
0010 SH CommandRecognitionCode
0200 AE Initiator
0300 AE Receiver
0400 AE FindLocation
0850 US NumberOfMatches
0860 US ResponseSequenceNumber
4000 LT DialogReceiver
4010 LT TerminalType
5010 SH MessageSetID
5020 SH EndMessageID
5110 LT DisplayFormat
5120 LT PagePositionID
5130 CS TextFormatID
5140 CS NormalReverse
5150 CS AddGrayScale
5160 CS Borders
5170 IS Copies
5180 CS CommandMagnificationType
5190 CS Erase
51A0 CS Print
51B0 US Overlays
"""


class _Malformed(Exception):
    """A line that is no entry: why."""


class _Range:
    """The numbers from `low` to `high` of one parity: 0 even, 1 odd, None both."""

    __slots__ = ("high", "low", "parity")

    def __init__(self, low: int, high: int, parity: int | None) -> None:
        self.low = low
        self.high = high
        self.parity = parity

    def __contains__(self, number: int) -> bool:
        return self.low <= number <= self.high and (self.parity is None or number & 1 == self.parity)


class Dictionary:
    """Names and VRs of elements by tag. `warnings` tells of dictionaries that could not be loaded."""

    __slots__ = ("_elements", "_ranges", "warnings")

    def __init__(self) -> None:
        self.warnings: tuple[str, ...] = ()
        self._ranges: list[tuple[_Range, _Range, str, str]] = []
        self._elements: dict[int, tuple[str, str]] = {}
        for line in (_COMMAND_ELEMENTS + _RETIRED_COMMAND_ELEMENTS).split("\n"):
            if line:
                self._elements[int(line[:4], 16)] = (line[5:7], line[8:])

    def name(self, group: int, element: int) -> str:
        """Return the name of (`group`, `element`), or `UNKNOWN_NAME`."""
        return self._find(group, element)[1]

    def vr(self, group: int, element: int) -> str:
        """Return the VR of (`group`, `element`) as the dictionary writes it, or `UNKNOWN_VR`."""
        return self._find(group, element)[0]

    def _find(self, group: int, element: int) -> tuple[str, str]:
        exact = self._elements.get(group << 16 | element)
        if exact is not None:
            return exact
        for groups, elements, vr, name in reversed(self._ranges):  # a later entry replaces an earlier one
            if group in groups and element in elements:
                return vr, name
        return UNKNOWN_VR, UNKNOWN_NAME

    def add_file(self, path: str) -> None:
        """Add the entries of the dictionary `path`, which replace those that are there.

        Raises `OSError` or `ValueError` (which names the line) if it cannot be read or understood; then nothing is
        added.
        """
        elements: dict[int, tuple[str, str]] = {}
        ranges: list[tuple[_Range, _Range, str, str]] = []
        for number, line in enumerate(_read(path).split("\n"), 1):
            try:
                _add_line(line, elements, ranges)
            except _Malformed as error:
                raise ValueError(f"line {number}: {error}") from None
        self._elements.update(elements)
        self._ranges += ranges


def load(environ: "Mapping[str, str]") -> Dictionary:
    """Return the built-in names, and those of every dictionary that DCMDICTPATH in `environ` names.

    Its files are separated by `os.pathsep`; an empty value counts as unset. Raises `LocalError`
    (INPUT_FILE_UNREADABLE) if it is set and none can be loaded.
    """
    dictionary = Dictionary()
    value = environ.get(VARIABLE, "")
    if not value:
        return dictionary
    paths = [path for path in value.split(os.pathsep) if path]
    failures = []
    for path in paths:
        try:
            dictionary.add_file(path)
        except (OSError, ValueError) as error:
            failures.append(f"{path}: {getattr(error, 'strerror', None) or error}")
    if len(failures) == len(paths):
        told = "; ".join(failures) or "it names no file"
        raise LocalError(
            INPUT_FILE_UNREADABLE,
            f"no data dictionary of {VARIABLE} can be loaded: {told}",
            path=paths[0] if paths else None,
            hint=f"correct {VARIABLE}, or unset it to use the built-in names",
        )
    dictionary.warnings = tuple(f"data dictionary not loaded: {failure}" for failure in failures)
    return dictionary


def _read(path: str) -> str:
    with open(path, "rb") as file:
        data = file.read(MAX_FILE_SIZE + 1)
    if len(data) > MAX_FILE_SIZE:
        raise ValueError(f"larger than {MAX_FILE_SIZE} bytes")
    return data.decode("utf-8", "replace")


def _add_line(line: str, elements: dict[int, tuple[str, str]], ranges: list[tuple[_Range, _Range, str, str]]) -> None:
    line = line.strip()
    if not line or line[0] == "#":
        return
    tag, _, rest = line.partition("\t")
    fields = rest.split("\t")
    if len(fields) < 2:
        raise _Malformed("fewer than three fields (tag, VR, name), separated by tabs")
    vr, name = fields[0].strip(), fields[1].strip()
    if len(vr) != 2 or not vr.isascii() or not (vr.isalpha() or vr == "??"):
        raise _Malformed(f'"{vr[:20]}" is no VR')
    if not name or not name.isprintable():
        raise _Malformed("the name is empty or has control characters")
    if len(fields) > 2 and fields[2] not in ("1", "1-n", "2"):  # nearly all of them
        _check_vm(fields[2].strip())
    if len(tag) == 11 and tag[0] == "(" and tag[5] == "," and tag[10] == ")":
        elements[_hexadecimal(tag[1:5]) << 16 | _hexadecimal(tag[6:10])] = (vr, name)
        return
    both = _tag(tag.rstrip())
    if both is not None:
        ranges.append((*both, vr, name))


def _tag(text: str) -> "tuple[_Range, _Range] | None":
    """Return the groups and elements of a tag; None for a private one, once it is checked."""
    if text[:1] != "(" or text[-1:] != ")":
        raise _Malformed(f'"{text[:40]}" is no tag: it must be in parentheses')
    inner = text[1:-1]
    creator = '"' in inner
    group, _, rest = inner.partition(",")
    if creator:
        before, _, quoted = rest.partition('"')
        name, closing, after = quoted.rpartition('"')
        if before.strip() or not closing or not name or after[:1] != ",":
            raise _Malformed(f'"{text[:40]}" is no private tag: (gggg,"CREATOR",ee)')
        rest = after[1:]
    groups, elements = _range(group.strip()), _range(rest.strip())
    return None if creator else (groups, elements)


def _range(text: str) -> _Range:
    parts = text.split("-")
    if len(parts) == 1:
        number = _hexadecimal(text)
        return _Range(number, number, None)
    kind = parts.pop(1).lower() if len(parts) == 3 else "e"
    if len(parts) != 2 or kind not in ("e", "o", "u"):
        raise _Malformed(f'"{text[:40]}" is no range')
    low, high = _hexadecimal(parts[0]), _hexadecimal(parts[1])
    if low > high:
        raise _Malformed(f'"{text[:40]}" is no range: it ends before it begins')
    parity = {"e": 0, "o": 1, "u": None}[kind]
    return _Range(low, high, parity)


def _hexadecimal(text: str) -> int:
    # int() alone would also take signs, underscores and other scripts' digits
    if not 1 <= len(text) <= 4 or not text.isascii() or not text.isalnum():
        raise _Malformed(f'"{text[:20]}" is no hexadecimal number of at most four digits')
    try:
        return int(text, 16)
    except ValueError:
        raise _Malformed(f'"{text[:20]}" is no hexadecimal number of at most four digits') from None


def _check_vm(text: str) -> None:
    low, dash, high = text.partition("-")
    if dash and high != "n":
        low += high.removesuffix("n")
    if not low.isascii() or not low.isdigit() or (dash and not high):
        raise _Malformed(f'"{text[:20]}" is no VM')
