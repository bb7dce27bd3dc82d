"""An association as a whole, in either role, fed with any bytes in any pieces while its clock runs.

An input is a program: its first byte chooses the role and the limits, then each operation is a byte, with a length or
an index where it needs one, so that a mutation of valid traffic is mostly valid traffic. After each operation the
invariants are looked at, and after the last the clock runs until nothing is left to wait for.
"""

from __future__ import annotations

import json

from dcmecho.acceptor import Acceptor, AcceptorTimeouts, EchoRequested, Ended
from dcmecho.dimse import CEchoRSP
from dcmecho.negotiation import AcceptorPolicy
from dcmecho.requestor import Requestor
from dcmecho.result import VerificationResult
from dcmecho.settings import VerificationSettings
from peers import ABORT as ABORT_KIND
from peers import AC, RELEASE_REQUEST, RELEASE_RESPONSE, RQ, abortion, echo_request, echo_response, message, rejection

from .vectors import ACCEPTORS, DIRECTED, REQUESTORS

MAX_PDU = 4096
MAX_ASSOCIATION_PDU = 8192
MAX_MESSAGE = 1024
MAX_OPERATIONS = 400
NOW = 1000.0

TABLE = (
    RQ,
    AC,
    rejection(1, 1, 7),
    echo_request(1),
    echo_response(1),
    echo_response(2, 0x0110, "why"),
    RELEASE_REQUEST,
    RELEASE_RESPONSE,
    abortion(0),
    abortion(2, 6),
    message(b""),
    b"\x04\0\0\0\0\x06\0\0\0\x02\x01\x01",
)
"""PDUs that an operation sends by their index: what is valid somewhere, and a fragment of no byte."""

# Operations: the byte modulo OPERATIONS.
RAW, KNOWN, EXPIRE, WAIT, RESPOND, END, ACT, STOP = range(8)
OPERATIONS = 8


class _Reader:
    """Takes an input apart."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    @property
    def is_at_end(self) -> bool:
        return self._place >= len(self._data)

    def byte(self) -> int:
        return self.take(1)[0] if not self.is_at_end else 0

    def take(self, count: int) -> bytes:
        found = self._data[self._place : self._place + count]
        self._place += count
        return found


class _Side:
    """One role fed with an input. `core` is the Acceptor or Requestor, `association` what is in it."""

    def __init__(self, core: Acceptor | Requestor, reader: _Reader) -> None:
        self.core = core
        self.association = core.association
        self.reader = reader
        self.now = NOW
        self.received = 0
        self.sent = 0
        self.has_closed = False
        self.has_aborted = False
        self.is_shut_down = False  # by us, not by the protocol: whoever does that closes, and forgets the timer

    def play(self) -> None:
        """Carry out the operations of the input, and let the clock run until nothing is waited for."""
        for _ in range(MAX_OPERATIONS):
            if self.reader.is_at_end or self.association.close_wanted:
                break
            operation = self.reader.byte() % OPERATIONS
            self.operate(operation)
            self.settle(answers=operation == RESPOND)
        self.settle(answers=True)
        for _ in range(4):
            if self.is_over:
                break
            self.operate(EXPIRE)
            self.settle(answers=True)
        assert self.is_over, f"it waits for ever in state {self.association.state}"
        if self.association.close_wanted and not self.is_shut_down:
            for late in TABLE:
                self.core.receive_data(late, self.now)
                self.settle(answers=True)
        self.operate(END)
        self.now += 100
        self.core.handle_timer(self.now)
        self.settle(answers=True)

    def operate(self, operation: int) -> None:
        reader = self.reader
        if operation in (RAW, KNOWN):
            received = _bytes_of(reader, operation)
            self.received += len(received)
            self.core.receive_data(received, self.now)
        elif operation == EXPIRE:
            self.now = max(self.now, self.core.next_timer() or 0.0)
            self.core.handle_timer(self.now)
        elif operation == WAIT:
            self.now += reader.byte() / 100
        elif operation == END:
            self.core.connection_lost(self.now)

    def settle(self, *, answers: bool) -> None:
        """Look at what an operation left; `answers`: the requests that wait are answered."""
        association, data = self.association, self.core.data_to_send()
        assert not (data and self.has_closed), "something is sent after the close"
        assert not (data and self.has_aborted and data[0] != ABORT_KIND), "something is sent after the abort"
        self.has_aborted = self.has_aborted or data[-10:-9] == bytes([ABORT_KIND])
        self.has_closed = association.close_wanted
        self.sent += len(data)
        # An A-ASSOCIATE-AC answers a request of the same size; an answer to anything else is of a fixed size.
        assert self.sent <= 20 * self.received + 4096, "a little input makes much output"
        framing, assembler = association._framing, association._assembler
        assert len(framing._held) - framing._place <= 6 + MAX_ASSOCIATION_PDU
        assert assembler._length <= MAX_MESSAGE
        assert len(assembler._pieces) <= MAX_MESSAGE
        assert not association._events
        assert not association._outbox
        if self.has_closed and not self.is_shut_down:
            assert not framing.is_inside_pdu, "bytes are held after the close"
            assert association.next_timer() is None, "a timer runs after the close"

    @property
    def is_over(self) -> bool:
        """True if nothing is waited for."""
        return self.association.close_wanted


class _AcceptorSide(_Side):
    core: Acceptor

    def __init__(self, reader: _Reader, mode: int) -> None:
        policy = AcceptorPolicy(max_pdu=MAX_PDU, called_ae_titles=frozenset(["ANY-SCP"]) if mode & 2 else None)
        acceptor = Acceptor(
            policy,
            AcceptorTimeouts(5.0, 3.0, 7.0),
            NOW,
            max_association_pdu=MAX_ASSOCIATION_PDU,
            max_message_length=MAX_MESSAGE,
        )
        super().__init__(acceptor, reader)
        self.answers_at_once = bool(mode & 4)
        self.waiting: list[EchoRequested] = []
        self.has_ended = False

    def operate(self, operation: int) -> None:
        if operation == STOP:
            self.core.shut_down(self.now)
            self.is_shut_down = True
        else:
            super().operate(operation)

    def settle(self, *, answers: bool) -> None:
        self._take_events()
        while self.waiting and (answers or self.answers_at_once):
            request = self.waiting.pop(0)
            self.core.respond(request, CEchoRSP(request.message_id), self.now)
            self._take_events()
        super().settle(answers=answers)

    def _take_events(self) -> None:
        for event in self.core.events():
            assert not self.has_ended, f"{event!r} comes after the end"
            if isinstance(event, EchoRequested):
                self.waiting.append(event)
            self.has_ended = isinstance(event, Ended)


class _RequestorSide(_Side):
    core: Requestor

    def __init__(self, reader: _Reader, mode: int) -> None:
        settings = VerificationSettings(
            max_pdu=MAX_PDU,
            acse_timeout=5.0,
            dimse_timeout=3.0,
            socket_timeout=7.0,
            presentation_contexts=1 + mode // 64,
        )
        self.result = VerificationResult("peer", 104, "ANY-SCP", "ECHOSCU")
        super().__init__(Requestor(settings, self.result, NOW + 60 if mode & 2 else None), reader)
        self.association._framing.max_association_pdu = MAX_ASSOCIATION_PDU
        self.association._assembler.max_length = MAX_MESSAGE
        self.received = 1000  # for what it sends of its own accord
        self.core.associate(self.now)
        self.settle(answers=True)

    @property
    def is_over(self) -> bool:
        return not self.core.busy

    def operate(self, operation: int) -> None:
        core = self.core
        if operation == STOP:
            core.abort(self.now)
        elif operation == ACT:
            if self.association.is_established and not core.busy and core.failure is None:
                self.received += 100
                (core.echo if self.reader.byte() & 1 else core.release)(self.now)
        else:
            super().operate(operation)

    def settle(self, *, answers: bool) -> None:
        super().settle(answers=answers)
        if self.core.failure is not None:
            assert not self.core.busy, "it waits after it has failed"
            assert str(self.core.failure).isprintable()
            json.dumps(self.result.to_dict())


def run(data: bytes) -> None:
    """Take one input."""
    reader = _Reader(data)
    mode = reader.byte()
    (_AcceptorSide if mode & 1 else _RequestorSide)(reader, mode).play()


def _bytes_of(reader: _Reader, operation: int) -> bytes:
    """The bytes that an operation receives: so many of the input, or a PDU of the table."""
    if operation == KNOWN:
        return TABLE[reader.byte() % len(TABLE)]
    return reader.take(reader.byte() + 256 * (reader.byte() & 0x0F))


def raw(stream: bytes) -> bytes:
    """The operations that receive a stream of bytes."""
    pieces = [stream[first : first + 4000] for first in range(0, len(stream), 4000)]
    return b"".join(bytes([RAW, len(piece) & 0xFF, len(piece) >> 8]) + piece for piece in pieces)


def seeds() -> list[bytes]:
    """What real peers sent, and the states of the table reached by known PDUs."""
    found = [bytes([5]) + raw(DIRECTED[name]) for name in REQUESTORS]
    found += [bytes([0, ACT, 1]) + raw(DIRECTED[name]) for name in ACCEPTORS]
    known = {name: bytes([KNOWN, index]) for index, name in enumerate(("rq", "ac", "rj", "echo", "answer", "status"))}
    leave, left, empty = bytes([KNOWN, 6]), bytes([KNOWN, 7]), bytes([KNOWN, 11])
    acceptor = [
        known["rq"] + known["echo"] * 3 + bytes([RESPOND]) + leave,
        known["rq"] + known["echo"] + leave + bytes([RESPOND, EXPIRE]),
        known["rq"] + empty * 5 + bytes([EXPIRE, EXPIRE]),
        known["rq"] + leave + known["rq"] + known["echo"],
        known["rq"] * 2 + known["echo"],
        known["rq"] + known["echo"] + bytes([STOP]),
    ]
    requestor = [
        known["ac"] + bytes([ACT, 1]) + known["answer"] + bytes([ACT, 1]) + known["status"] + bytes([ACT, 0]) + left,
        known["ac"] + bytes([ACT, 0]) + leave + left,
        known["ac"] + bytes([ACT, 1]) + leave,
        known["rj"],
        known["ac"] + bytes([ACT, 1, WAIT, 200, EXPIRE]),
        known["ac"] + bytes([ACT, 1, END]),
    ]
    return found + [bytes([1]) + each for each in acceptor] + [bytes([0]) + each for each in requestor]
