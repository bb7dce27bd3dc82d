"""Peers that fail a TLS client, each with what the client has to make of it: one table for commands and Python."""

from __future__ import annotations

import socket
import ssl
import struct
from typing import TYPE_CHECKING

from dcmecho import causes
from dcmecho.pdu import Abort
from programs import Conversation, FakePeer, echo_peer, silent_peer

from .loopback import HelloPeer, TLSPeer, client_words, open_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from dcmecho.causes import Cause

    from .factory import Factory, Identity

    MakePeer = Callable[[Factory], FakePeer]
    MakeWords = Callable[[Factory], list[str]]


class Failing:
    """A peer, a client's options, and the cause and step that the client must tell, with words of its message."""

    def __init__(
        self,
        label: str,
        peer: MakePeer,
        options: MakeWords,
        cause: Cause,
        step: str,
        *words: str,
        flags: str = "",
    ) -> None:
        self.label = label
        self.peer = peer
        self.options = options
        self.cause = cause
        self.step = step
        self.words = words
        self.flags = flags.split()
        """Options besides those of TLS, such as limits of time."""

    def __repr__(self) -> str:
        return self.label


def _plain(script: Callable[[Conversation], None]) -> MakePeer:
    return lambda pki: FakePeer(script)


def _peer(issue: Callable[[Factory], Identity]) -> MakePeer:
    return lambda pki: TLSPeer(open_context(issue(pki)))


def _demanding(version: ssl.TLSVersion, trusts: str) -> MakePeer:
    """A server that demands a client's certificate, of the root or of another authority."""

    def make(pki: Factory) -> FakePeer:
        trust = pki.root.pem if trusts == "root" else pki.other.pem
        return TLSPeer(open_context(pki.server, maximum=version, trust=trust))

    return make


def _own(*more: str) -> MakeWords:
    return lambda pki: [*client_words(pki), *more]


def _with_crl(make: Callable[[Factory], str]) -> MakeWords:
    return lambda pki: [*client_words(pki), "+crl", make(pki)]


def _anonymous(pki: Factory) -> list[str]:
    return ["+tla", "+cf", pki.root.pem]


def server(pki: Factory) -> Identity:
    return pki.server


def _expired(pki: Factory) -> Identity:
    return pki.root.issue("expired-server", pki.rsa, begin=-20, end=-3)


def _future(pki: Factory) -> Identity:
    return pki.root.issue("future-server", pki.rsa, begin=3, end=30)


def _foreign(pki: Factory) -> Identity:
    return pki.other.issue("foreign-server", pki.rsa)


def _client_only(pki: Factory) -> Identity:
    return pki.root.issue("client-only", pki.rsa, usages=("clientAuth",))


def _weak(pki: Factory) -> Identity:
    return pki.root.issue("weak-server", pki.weak_rsa)


def hang_up(talk: Conversation) -> None:
    """Read the hello and close."""
    talk.socket.recv(65536)


def reset(talk: Conversation) -> None:
    """Read the hello and reset."""
    talk.socket.recv(65536)
    talk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def speak_dicom(talk: Conversation) -> None:
    """Answer what is no PDU as an SCP does that has no TLS."""
    talk.socket.recv(65536)
    talk.send(Abort(2, 1).encode())
    while talk.socket.recv(65536):
        pass


def speak_http(talk: Conversation) -> None:
    talk.socket.recv(65536)
    talk.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    talk.socket.shutdown(socket.SHUT_WR)
    while talk.socket.recv(65536):
        pass


def drop(talk: Conversation) -> None:
    """Let a handshake succeed, hear the association request and close."""
    talk.read()


def garble(talk: Conversation) -> None:
    """Let a handshake succeed, hear the association request and send a record that cannot be decrypted."""
    talk.read()
    inner = socket.socket(fileno=talk.socket.detach())
    with inner:
        inner.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
        while inner.recv(65536):
            pass


def cut_in_echo(talk: Conversation) -> None:
    """Associate, and close without a word when asked for an echo."""
    from dcmecho.pdu import AssociateRQ
    from programs import acceptance

    talk.send(acceptance(AssociateRQ.decode(talk.read())))
    talk.read()
    inner = socket.socket(fileno=talk.socket.detach())
    inner.close()


TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

FAILING = (
    Failing("hang-up", _plain(hang_up), _own(), causes.PEER_NOT_TLS, causes.TLS, "closed", "probably has no TLS"),
    Failing("reset", _plain(reset), _own(), causes.PEER_NOT_TLS, causes.TLS, "reset", "probably has no TLS"),
    Failing("dicom", _plain(speak_dicom), _own(), causes.PEER_NOT_TLS, causes.TLS, "the peer does not speak TLS"),
    Failing("http", _plain(speak_http), _own(), causes.PEER_NOT_TLS, causes.TLS, "the peer does not speak TLS"),
    Failing(
        "unknown-ca",
        _peer(_foreign),
        _own(),
        causes.TLS_UNKNOWN_CA,
        causes.TLS,
        '"O=Test, CN=foreign-server"',
        '"O=Test, CN=other" is not in ',
    ),
    Failing("expired", _peer(_expired), _own(), causes.TLS_CERTIFICATE_EXPIRED, causes.TLS, "ended on ", "the clock"),
    Failing(
        "not-yet-valid",
        _peer(_future),
        _own(),
        causes.TLS_CERTIFICATE_NOT_YET_VALID,
        causes.TLS,
        "begins on ",
        "the clock here says ",
    ),
    Failing(
        "revoked",
        _peer(server),
        _with_crl(lambda pki: pki.root.crl(pki.server)),
        causes.TLS_CERTIFICATE_REVOKED,
        causes.TLS,
        '"O=Test, CN=server"',
        'by the list of "O=Test, CN=root"',
    ),
    Failing(
        "crl-missing",
        _peer(server),
        _own("+crv"),
        causes.TLS_CRL_MISSING,
        causes.TLS,
        'a current list is needed of "O=Test, CN=root"',
    ),
    Failing(
        "crl-expired",
        _peer(server),
        _with_crl(lambda pki: pki.root.crl(end=-1)),
        causes.TLS_CRL_EXPIRED,
        causes.TLS,
        "ended on ",
    ),
    Failing(
        "wrong-host-name",
        _peer(server),
        _own("--verify-hostname", "pacs.example"),
        causes.TLS_WRONG_HOST_NAME,
        causes.TLS,
        '"localhost"',
        'not for "pacs.example"',
    ),
    Failing(
        "no-common-version",
        lambda pki: TLSPeer(open_context(pki.server, maximum=ssl.TLSVersion.TLSv1_1)),
        _own(),
        causes.TLS_NO_COMMON_VERSION,
        causes.TLS,
        "profile 8996 has TLS 1.2 to TLS 1.3",
    ),
    Failing(
        "no-common-cipher",
        lambda pki: TLSPeer(open_context(pki.server, ciphers="AES128-SHA", maximum=TLS_1_2)),
        _own(),
        causes.TLS_NO_COMMON_CIPHER,
        causes.TLS,
        "profile 8996 has TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    ),
    Failing(
        "ours-missing-1.3",
        _demanding(TLS_1_3, "root"),
        _anonymous,
        causes.TLS_CLIENT_CERTIFICATE_MISSING,
        causes.ASSOCIATE,
        "the peer requires a certificate from us",
    ),
    Failing(
        "ours-missing-1.2",
        _demanding(TLS_1_2, "root"),
        _anonymous,
        causes.TLS_CLIENT_CERTIFICATE_MISSING,
        causes.TLS,
        "the peer requires a certificate from us",
    ),
    Failing(
        "ours-refused-1.3",
        _demanding(TLS_1_3, "other"),
        _own(),
        causes.TLS_CLIENT_CERTIFICATE_REFUSED,
        causes.ASSOCIATE,
        "it does not trust the CA that issued it",
    ),
    Failing(
        "ours-refused-1.2",
        _demanding(TLS_1_2, "other"),
        _own(),
        causes.TLS_CLIENT_CERTIFICATE_REFUSED,
        causes.TLS,
        "it does not trust the CA that issued it",
    ),
    Failing(
        "purpose",
        _peer(_client_only),
        _own(),
        causes.TLS_CERTIFICATE_PURPOSE,
        causes.TLS,
        "is for clientAuth; serverAuth is needed",
    ),
    Failing("weak", _peer(_weak), _own(), causes.TLS_CERTIFICATE_WEAK, causes.TLS, "RSA key of 1024 bit"),
    Failing(
        "silent-hello",
        lambda pki: HelloPeer(),
        _own(),
        causes.TLS_TIMEOUT,
        causes.TLS,
        "did not end within",
        flags="-to 0.2",
    ),
    Failing(
        "silent-hello-progress",
        lambda pki: HelloPeer(),
        _own(),
        causes.TLS_TIMEOUT,
        causes.TLS,
        "did not end within",
        flags="-ts 0.2",
    ),
    Failing(
        "silent-hello-deadline",
        lambda pki: HelloPeer(),
        _own(),
        causes.DEADLINE_EXCEEDED,
        causes.TLS,
        "0.2 s",
        flags="--deadline 0.2",
    ),
    Failing(
        "silent-association",
        lambda pki: TLSPeer(open_context(pki.server), silent_peer),
        _own(),
        causes.ASSOCIATE_TIMEOUT,
        causes.ASSOCIATE,
        "did not answer",
        flags="-ta 0.2",
    ),
    Failing(
        "closed-after-handshake",
        lambda pki: TLSPeer(open_context(pki.server), drop),
        _own(),
        causes.CONNECTION_CLOSED,
        causes.ASSOCIATE,
    ),
    Failing(
        "garbled",
        lambda pki: TLSPeer(open_context(pki.server), garble),
        _own(),
        causes.TLS_BROKEN,
        causes.ASSOCIATE,
    ),
    Failing(
        "cut-in-echo",
        lambda pki: TLSPeer(open_context(pki.server), cut_in_echo),
        _own(),
        causes.CONNECTION_CLOSED,
        causes.ECHO,
    ),
    Failing(
        "aborted",
        lambda pki: TLSPeer(open_context(pki.server), echo_peer(accept=lambda request: Abort(2, 1).encode())),
        _own(),
        causes.ABORTED,
        causes.ASSOCIATE,
    ),
)
