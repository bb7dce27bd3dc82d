"""What decodes: PDUs, framing, messages and the dump of them take any bytes, and raise nothing but their own errors.

`run(data)` is the target. `tests/fuzz/run.py` calls it with what atheris finds, `test_corpus.py` with the corpus.
"""

from __future__ import annotations

from dcmecho.cli.dictionary import load
from dcmecho.cli.dump import Dumper
from dcmecho.cli.log import TRACE, Log
from dcmecho.dimse import MessageAssembler, decode_command
from dcmecho.errors import MalformedMessage, MalformedPDU
from dcmecho.pdu import PDV, Framing, PDataTF, decode

from .vectors import DIRECTED, pdus

MAX_PDU = 4096
MAX_ASSOCIATION_PDU = 8192
MAX_MESSAGE = 1024


class _Lines(Log):
    """A log that keeps nothing, and takes nothing but what a terminal may be shown."""

    def __init__(self) -> None:
        super().__init__("fuzz", TRACE)

    def write(self, level: int, text: str, source: str = "") -> None:
        for line in text.split("\n"):
            assert line.isprintable(), f"not escaped: {line!r}"


_LINES = _Lines()
_DUMPER = Dumper(_LINES, load({}), "Peer")


def run(data: bytes) -> None:
    """Take one input: its first byte says in which pieces the rest arrives."""
    if not data:
        return
    size, stream = data[0] + 1, data[1:]
    _decode_whole(stream)
    whole, pieces = _frame(stream, [len(stream) or 1]), _frame(stream, [size])
    assert whole == pieces, "the pieces that a stream arrives in make a difference"
    _read_message(stream)


def _cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces: list[bytes] = []
    place = 0
    while place < len(data):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[place : place + size])
        place += size
    return pieces


def _decode_whole(stream: bytes) -> None:
    try:
        pdu = decode(stream)
    except MalformedPDU as error:
        _LINES.write(TRACE, str(error))
        return
    repr(pdu)
    _DUMPER.pdu(False, pdu)
    _DUMPER.pdu(True, pdu)
    # What was read means the same when it is written again; not every foreign text can be written.
    try:
        again = pdu.encode()
    except ValueError:
        return
    decode(again)


def _frame(stream: bytes, sizes: list[int]) -> tuple[list[bytes], str]:
    """Cut a stream into PDUs; return them, and what ended it."""
    framing = Framing(MAX_PDU, MAX_ASSOCIATION_PDU)
    found = []
    for piece in _cut(stream, sizes):
        framing.feed(piece)
        try:
            while (raw := framing.next_pdu()) is not None:
                found.append(raw)
        except MalformedPDU as error:
            return found, error.problem
        held = len(framing._held) - framing._place
        assert held <= 6 + max(MAX_PDU, MAX_ASSOCIATION_PDU), "more is held than the largest PDU"
        assert len(framing._held) <= held + 6 + max(MAX_PDU, MAX_ASSOCIATION_PDU) + len(piece)
    return found, ""


def _read_message(stream: bytes) -> None:
    """Take the bytes as a command set, whole and in fragments."""
    try:
        command = decode_command(stream)
    except MalformedMessage as error:
        _LINES.write(TRACE, str(error))
    else:
        repr(command)
        _DUMPER.message(False, 1, stream)
    assembler = MessageAssembler(MAX_MESSAGE)
    for piece in _cut(stream, [7, 1, 30]):
        try:
            whole = assembler.receive(PDV(1, bool(piece[0] & 1), bool(piece[0] & 6), piece[1:]))
        except MalformedMessage:
            return
        assert assembler._length <= MAX_MESSAGE
        assert len(assembler._pieces) <= MAX_MESSAGE
        assert whole is None or len(whole) <= MAX_MESSAGE


def seeds() -> list[bytes]:
    """Valid PDUs of real peers, their command sets, and whole directions of an association."""
    found = [b"\x10" + pdu for pdu in pdus()]
    for raw in pdus():
        if raw[0] == 4:
            found += [b"\x03" + pdv.data for pdv in PDataTF.decode(raw).pdvs]
    return found + [b"\x1f" + stream for stream in DIRECTED.values()]
