"""TLS peers and servers on loopback: what the clients, the commands and programs from elsewhere are tested against."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import ssl
import warnings
from typing import TYPE_CHECKING, Any

import pytest

import dcmecho
from dcmecho.errors import VerificationError
from dcmecho.tls.context import hello_suites
from programs import LOOPBACK, PATIENCE, Conversation, FakePeer, echo_peer, run

from .factory import PASSWORD
from .pair import server_configuration

if TYPE_CHECKING:
    from pathlib import Path

    from dcmecho.tls import TLSConfiguration
    from programs import Outcome, Program, Script

    from .factory import Factory, Identity


def client_words(pki: Factory) -> list[str]:
    """Return the options of a client with a certificate of the root that it trusts."""
    return ["+tls", pki.client.key_pem, pki.client.pem, "+cf", pki.root.pem]


def locked_words(pki: Factory, password: str = PASSWORD) -> list[str]:
    """Return the options for a client whose key has a password."""
    return ["+tls", pki.client.key_file(password=password), pki.client.pem, "+cf", pki.root.pem]


def server_words(pki: Factory) -> list[str]:
    """Return the options of a server with a certificate of the root that it trusts."""
    return ["+tls", pki.server.key_pem, pki.server.pem, "+cf", pki.root.pem]


def serving(pki: Factory, **changes: object) -> dcmecho.ThreadedEchoServer:
    """Return our server with TLS, for a `with`; `changes` are to its TLS configuration."""
    return dcmecho.serve(bind_address=LOOPBACK, tls=server_configuration(pki, **changes))


def open_context(
    identity: Identity | None = None,
    *,
    ciphers: str = "ALL:eNULL",
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1,
    maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    trust: str | None = None,
) -> ssl.SSLContext:
    """Return a context that takes nearly everything, in the order of the other side.

    That of a server with `identity`, else that of a client without a certificate. A server demands a certificate of
    the CAs in the file `trust`, if that is given.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if identity else ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = minimum
        context.maximum_version = maximum
    if identity is not None:
        context.load_cert_chain(identity.pem, identity.key_pem)
    if trust is not None:
        context.load_verify_locations(trust)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class Seen:
    """What a server saw of one client's handshake; `failure` is why it failed, None if it did not."""

    def __init__(self) -> None:
        self.version = ""
        self.cipher = ""
        self.alpn: str | None = None
        self.server_name: str | None = None
        self.certificate = b""
        self.failure: OSError | None = None


class TLSPeer(FakePeer):
    """Listens on a free port, has a handshake with every client and plays `script` with it; `seen` tells of each."""

    def __init__(self, context: ssl.SSLContext, script: Script | None = None) -> None:
        super().__init__(self._shake_hands)
        self._context = context
        self._inner = script or echo_peer()
        self.seen: list[Seen] = []
        context.sni_callback = self._note_name

    def _note_name(self, _connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        self.seen[-1].server_name = name

    def _shake_hands(self, talk: Conversation) -> None:
        seen = Seen()
        self.seen.append(seen)
        secured = self._context.wrap_socket(talk.socket, server_side=True, do_handshake_on_connect=False)
        try:
            secured.do_handshake()
        except OSError as problem:
            seen.failure = problem
            secured.close()
            return
        cipher = secured.cipher()
        seen.version = secured.version() or ""
        seen.cipher = cipher[0] if cipher else ""
        seen.alpn = secured.selected_alpn_protocol()
        seen.certificate = secured.getpeercert(True) or b""
        # Not before: whoever ends this peer takes the handshake's results from the socket of the conversation.
        talk.socket = secured
        self._inner(talk)


def open_peer(pki: Factory, **changes: Any) -> TLSPeer:
    """Return a server that takes nearly everything."""
    return TLSPeer(open_context(pki.server, **changes))


class HelloPeer(FakePeer):
    """Listens on a free port and takes the first record of each client, which is then left without an answer."""

    def __init__(self) -> None:
        super().__init__(self._listen)
        self.hellos: list[bytes] = []

    def _listen(self, talk: Conversation) -> None:
        data = talk.socket.recv(65536)
        while len(data) < 5 or len(data) < 5 + int.from_bytes(data[3:5], "big"):
            more = talk.socket.recv(65536)
            if not more:
                break
            data += more
        self.hellos.append(data)
        while talk.socket.recv(65536):
            pass

    @property
    def suites(self) -> list[int]:
        """The cipher suites of the last client's hello, in its order."""
        return hello_suites(self.hellos[-1])


def connect_tls(
    port: int,
    context: ssl.SSLContext,
    server_name: str | None = None,
) -> Conversation:
    """Connect a scripted client and have its handshake."""
    plain = socket.create_connection((LOOPBACK, port), timeout=PATIENCE)
    return Conversation(context.wrap_socket(plain, server_hostname=server_name))


def json_of(outcome: Outcome) -> dict[str, Any]:
    """Return what `--json` printed."""
    found: dict[str, Any] = json.loads(outcome.output)
    return found


def failure_of(outcome: Outcome) -> tuple[str, str, str]:
    """Return cause, step and side of the failure that `--json` tells."""
    failure = json_of(outcome)["failure"]
    return failure["cause"], failure["step"], failure["side"]


def openssl(*words: object) -> Outcome:
    """Run the openssl command to its end; the test is skipped where there is none."""
    path = shutil.which("openssl")
    if path is None:
        pytest.skip("the openssl command is not installed")
    return run([path, *words])


def hashed(pki: Factory, folder: Path, *, der: bool = False, crl: str | None = None) -> Path:
    """Put the root, and the revocation list `crl` of it, into a directory under their hash; return it."""
    digits = openssl("x509", "-noout", "-subject_hash", "-in", pki.root.pem).output.strip()
    (folder / f"{digits}.0").write_bytes(pki.root.der if der else pki.root.text)
    if crl is not None:
        shutil.copyfile(crl, folder / f"{digits}.r0")
    return folder


def dh_group(bits: int, path: Path) -> Path:
    """Write the Diffie-Hellman group of RFC 7919 with that many bits to a file."""
    made = openssl("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", f"group:ffdhe{bits}", "-out", path)
    assert made.code == 0, made
    return path


def texts(outcome: Outcome, level: str) -> list[str]:
    """Return the lines of one level of the log, without their letter."""
    return [line[3:] for line in outcome.lines if line.startswith(f"{level}: ")]


# Our server, seen by clients


def verified(port: int, tls: TLSConfiguration) -> dict[str, object]:
    """Verify the server; return what the handshake told."""
    result = dcmecho.verify(LOOPBACK, port, tls=tls)
    assert result.tls is not None
    return result.tls


def refused(port: int, tls: TLSConfiguration) -> str:
    """Verify the server, which refuses; return the cause's name."""
    with pytest.raises(VerificationError) as caught:
        dcmecho.verify(LOOPBACK, port, tls=tls)
    return caught.value.cause.name


def stopped(program: Program) -> Outcome:
    """Let the server end; return what it left."""
    program.send_signal(signal.SIGTERM)
    return program.wait()


def agreed(port: int, **changes: object) -> tuple[str, str] | None:
    """Return version and cipher that the server chooses for a client that takes everything, None if it takes none."""
    try:
        with connect_tls(port, open_context(None, **changes)) as talk:  # type: ignore[arg-type]  # any of them
            assert isinstance(talk.socket, ssl.SSLSocket)
            cipher = talk.socket.cipher()
            return talk.socket.version() or "", cipher[0] if cipher else ""
    except ssl.SSLError:
        return None
