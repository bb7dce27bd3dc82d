"""Starts the commands and plays their peers: scripted sockets in threads, programs as processes, all on loopback.

Whatever is started here is ended by its context manager, whether the test passes or not.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pytest

from dcmecho.dimse import CEchoRQ, CEchoRSP, decode_command, fragment
from dcmecho.items import (
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    PresentationContextAC,
    PresentationContextRQ,
)
from dcmecho.pdu import (
    A_ABORT,
    A_ASSOCIATE_RQ,
    A_RELEASE_RQ,
    P_DATA_TF,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    PDataTF,
    ReleaseRP,
    ReleaseRQ,
)
from dcmecho.uids import IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION

if TYPE_CHECKING:
    from dcmecho.items import UserInformation

PATIENCE = 10.0
"""Seconds after which a test that waits is broken."""

LOOPBACK = "127.0.0.1"


def command(name: str) -> list[str]:
    """Return the words that start one of our commands with the Python that runs the tests."""
    return [sys.executable, "-m", "dcmecho", name]


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, process: "Program | None" = None) -> None:
    """Wait until something listens on a port of 127.0.0.1; AssertionError if `process` ends before that."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection((LOOPBACK, port), timeout=1).close()
        except OSError:
            if process is not None and process.has_ended:
                raise AssertionError(f"it ended before it listened:\n{process.output}\n{process.errors}") from None
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


class Outcome:
    """What a command that has ended left: its exit code and the text on its streams."""

    def __init__(self, code: int, output: str, errors: str) -> None:
        self.code = code
        self.output = output
        self.errors = errors

    @property
    def lines(self) -> list[str]:
        """The lines on standard error."""
        return self.errors.splitlines()

    def __repr__(self) -> str:
        return f"exit code {self.code}\nstandard output:\n{self.output}\nstandard error:\n{self.errors}"


def call(main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str], *words: object) -> Outcome:
    """Run a command in this process."""
    capsys.readouterr()
    code = main([str(word) for word in words])
    streams = capsys.readouterr()
    return Outcome(code, streams.out, streams.err)


def run(words: Sequence[object], **environment: str) -> Outcome:
    """Run a program to its end."""
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        errors="backslashreplace",
        timeout=PATIENCE,
        stdin=subprocess.DEVNULL,
        env=_environment(environment),
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def _environment(changes: dict[str, str]) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name != "DCMDICTPATH"}
    return {**environment, "PYTHONUNBUFFERED": "1", **changes}


class Program:
    """A program that runs beside the test; leaving the context kills it."""

    def __init__(self, words: Sequence[object], **environment: str) -> None:
        self._process = subprocess.Popen(
            [str(word) for word in words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
            env=_environment(environment),
        )
        self._changed = threading.Condition()
        self._texts = ["", ""]
        self._has_ended = [False, False]
        self._readers = [
            threading.Thread(target=self._read, args=(place,), name=f"reader of {words[0]}") for place in (0, 1)
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def output(self) -> str:
        return self._texts[0]

    @property
    def errors(self) -> str:
        return self._texts[1]

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it, however it is, and all that was read from it."""
        if not self.has_ended:
            self._process.kill()
        self._finish()

    def wait(self, seconds: float = PATIENCE) -> Outcome:
        """Wait for its end, which is to come within so many seconds."""
        self._process.wait(seconds)
        self._finish()
        return Outcome(self._process.returncode, self.output, self.errors)

    def wait_for(self, text: str) -> None:
        """Wait until it has written `text` on one of its streams."""
        with self._changed:
            self._changed.wait_for(lambda: self._shows(text) or all(self._has_ended), PATIENCE)
        assert self._shows(text), f"{text!r} was not written, but:\n{self.output}\n{self.errors}"

    def _shows(self, text: str) -> bool:
        return any(text in each for each in self._texts)

    def listening_port(self) -> int:
        """Wait until our server has told the free port that it took; return it."""
        with self._changed:
            found = self._changed.wait_for(lambda: self.output or self._has_ended[0], PATIENCE)
        assert found, f"no port was told, but:\n{self.errors}"
        words = self.output.split()
        assert words[:3] == ["Listening", "on", "port"], self.errors
        return int(words[3])

    def _finish(self) -> None:
        self._process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)

    def _read(self, place: int) -> None:
        stream = (self._process.stdout, self._process.stderr)[place]
        assert stream is not None
        with stream:
            for line in stream:
                self._take(place, line)
        self._take(place, "")

    def _take(self, place: int, line: str) -> None:
        with self._changed:
            self._texts[place] += line
            self._has_ended[place] = not line
            self._changed.notify_all()


@contextmanager
def echoscp(*words: object, name: str = "echoscp", host: str = LOOPBACK) -> "Iterator[tuple[Program, int]]":
    """Run our server on a free port of `host`; yield it with its port."""
    with Program([*command(name), "-ba", host, *words, 0]) as program:
        yield program, program.listening_port()


class Conversation:
    """One side of a connection, blocking. `received` holds every PDU (or what stood in its place) that came, `sent` is
    the number of bytes that went."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        connection.settimeout(PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received: list[bytes] = []
        self.sent = 0
        self._context_id = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    @property
    def kinds(self) -> list[int]:
        """The type of each PDU received."""
        return [data[0] for data in self.received]

    @property
    def request(self) -> AssociateRQ:
        """The A-ASSOCIATE-RQ received."""
        return AssociateRQ.decode(self.received[0])

    @property
    def message_ids(self) -> list[int]:
        """The message ids of the C-ECHO-RQs received."""
        return [message_id(data) for data in self.received if data[0] == P_DATA_TF]

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)
        self.sent += len(data)

    def read(self) -> bytes:
        """Return the next PDU, empty if the connection ended instead."""
        header = self._exactly(6)
        data = header + self._exactly(int.from_bytes(header[2:6], "big")) if header else b""
        if data:
            self.received.append(data)
        return data

    def read_kind(self, kind: int) -> bytes:
        """Return the next PDU, which is one of that type."""
        data = self.read()
        assert data[:1] == bytes([kind]), f"expected a PDU of type {kind}, got {data[:64]!r}"
        return data

    def is_closed(self) -> bool:
        """Wait for what comes next: True if the peer has closed the connection."""
        try:
            return not self.read()
        except ConnectionResetError:
            return True

    def _exactly(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            more = self.socket.recv(length - len(data))
            if not more:
                return b""
            data += more
        return data

    # as requestor

    def associate(self, request: AssociateRQ | None = None) -> AssociateAC:
        """Request an association, which is accepted."""
        self.send((request or association_request()).encode())
        return AssociateAC.decode(self.read_kind(2))

    def echo(self, number: int = 1) -> CEchoRSP:
        """Send an echo request; return the response."""
        self.send(message(CEchoRQ(number).encode()))
        found = decode_command(PDataTF.decode(self.read_kind(P_DATA_TF)).pdvs[0].data)
        assert isinstance(found, CEchoRSP)
        return found

    def release(self) -> None:
        """Release the association, and see the connection closed."""
        self.send(ReleaseRQ().encode())
        self.read_kind(6)


def connect(port: int, host: str = LOOPBACK) -> Conversation:
    """Connect a scripted client."""
    return Conversation(socket.create_connection((host, port), timeout=PATIENCE))


def message(command_set: bytes, context_id: int = 1) -> bytes:
    """Return a command set as the bytes of a P-DATA-TF."""
    return b"".join([pdu.encode() for pdu in fragment(context_id, command_set, 16384)])


def message_id(data: bytes) -> int:
    """Return the message id of the C-ECHO-RQ in a P-DATA-TF."""
    command_set = decode_command(PDataTF.decode(data).pdvs[0].data)
    assert isinstance(command_set, CEchoRQ)
    return command_set.message_id


def association_request(
    *transfer_syntaxes: str,
    called: str = "ECHOSCP",
    calling: str = "TEST",
    abstract_syntax: str = VERIFICATION,
    version_name: str = "",
) -> AssociateRQ:
    """Return an A-ASSOCIATE-RQ with one presentation context."""
    context = PresentationContextRQ(1, abstract_syntax, transfer_syntaxes or (IMPLICIT_VR_LITTLE_ENDIAN,))
    return AssociateRQ(called, calling, (context,), _user_information(16384, version_name))


def acceptance(
    request: AssociateRQ, *, results: Sequence[int] = (0,), max_pdu: int = 16384, version_name: str = ""
) -> bytes:
    """Return an A-ASSOCIATE-AC; `results` are repeated for the presentation contexts."""
    contexts = tuple(
        [
            PresentationContextAC(context.context_id, results[place % len(results)], context.transfer_syntaxes[0])
            for place, context in enumerate(request.presentation_contexts)
        ]
    )
    titles = (request.called_ae_title, request.calling_ae_title)
    return AssociateAC(*titles, contexts, _user_information(max_pdu, version_name)).encode()


def _user_information(max_pdu: int, version_name: str) -> "tuple[UserInformation, ...]":
    items: tuple[UserInformation, ...] = (MaximumLength(max_pdu), ImplementationClassUID("1.2.3.4"))
    return (*items, ImplementationVersionName(version_name)) if version_name else items


Script = Callable[[Conversation], None]


class FakePeer:
    """Listens on a free port and plays `script` with every connection, one after the other, in a thread."""

    def __init__(self, script: Script, host: str = LOOPBACK) -> None:
        self._script = script
        self._host = host
        self._listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._listener.bind((host, 0))
        self._listener.listen(16)
        self.port: int = self._listener.getsockname()[1]
        self.conversations: list[Conversation] = []
        self.failure: BaseException | None = None
        self._last_address: object = None
        self._thread = threading.Thread(target=self._serve, name="fake peer")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for conversation in self.conversations:
            try:
                conversation.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._stop()
        if self.failure is not None and error is None:
            raise self.failure

    def _stop(self) -> None:
        """Connect once more: by that the thread, when it has played for all connections before, knows to end."""
        if self._thread.is_alive():
            with socket.socket(self._listener.family) as last:
                last.bind((self._host, 0))
                self._last_address = last.getsockname()
                last.connect((self._host, self.port))
                self._thread.join(PATIENCE)
        self._listener.close()

    @property
    def last(self) -> Conversation:
        """The newest conversation, as far as it has come."""
        return self.conversations[-1]

    def settled(self) -> Conversation:
        """Wait until the script has played to its end for every connection made; return the newest conversation."""
        self._stop()
        return self.last

    def wait_for_pdus(self, number: int) -> None:
        """Wait until the newest conversation has brought that many PDUs."""
        deadline = time.monotonic() + PATIENCE
        while not self.conversations or len(self.last.received) < number:
            assert time.monotonic() < deadline, "the peer has not received what was expected"
            time.sleep(0.01)

    def _serve(self) -> None:
        while True:
            connection, address = self._listener.accept()
            if address == self._last_address:
                connection.close()
                return
            with Conversation(connection) as conversation:
                self.conversations.append(conversation)
                try:
                    self._script(conversation)
                except OSError:
                    pass  # the command went away, or the test did
                except BaseException as error:  # noqa: BLE001 - raised again in the test's thread
                    self.failure = error


def echo_peer(
    *,
    answer: Callable[[int], bytes] | None = None,
    accept: Callable[[AssociateRQ], bytes] = acceptance,
    release: bool = True,
) -> Script:
    """Return a script that behaves, but for what `answer` gives for a message id, `accept` for a request, and that it
    answers the release only if `release`."""

    def play(talk: Conversation) -> None:
        while data := talk.read():
            kind = data[0]
            if kind == A_ASSOCIATE_RQ:
                talk.send(accept(AssociateRQ.decode(data)))
            elif kind == P_DATA_TF:
                number = message_id(data)
                context_id = PDataTF.decode(data).pdvs[0].context_id
                talk.send(answer(number) if answer else message(CEchoRSP(number).encode(), context_id))
            elif kind == A_RELEASE_RQ and release:
                talk.send(ReleaseRP().encode())
            elif kind == A_ABORT:
                return

    return play


def rejecting_peer(result: int, source: int, reason: int) -> Script:
    """Return a script that rejects every association."""
    return echo_peer(accept=lambda request: AssociateRJ(result, source, reason).encode())


def aborting_peer(source: int = 0, reason: int = 0) -> Script:
    """Return a script that aborts instead of answering an association request."""
    return echo_peer(accept=lambda request: Abort(source, reason).encode())


def greeting_peer(greeting: bytes) -> Script:
    """Return a script that says something other than DICOM as soon as it has heard something, and closes."""

    def play(talk: Conversation) -> None:
        talk.socket.recv(65536)
        talk.send(greeting)
        talk.socket.shutdown(socket.SHUT_WR)
        while talk.socket.recv(65536):
            pass

    return play


def silent_peer(talk: Conversation) -> None:
    """A script that listens and never says a word."""
    while talk.socket.recv(65536):
        pass


def interrupt(program: Program) -> None:
    """What Ctrl-C does."""
    program.send_signal(signal.SIGINT)
