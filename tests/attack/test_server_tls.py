"""The same against a server with TLS: records that are none, handshakes that do not end, and what hides behind TLS."""

from __future__ import annotations

import socket
import ssl
from struct import pack
from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from peers import ASSOCIATE_AC, PATIENCE, RQ, Wire
from programs import LOOPBACK
from tls.loopback import open_context, server_words

from . import catalogue
from .catalogue import CLOSE, CONNECTED, ENDINGS, SILENCE, Attack
from .test_server import assail, is_over, outlast
from .victim import HAS_PROC, SMALL_LIMITS, Victim, without_uvloop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tls.factory import Factory

pytestmark = pytest.mark.skipif(not HAS_PROC, reason="what a process holds is read from /proc")

HANDSHAKES_MAY_TAKE = 36 * 1024
"""KiB: 400 at one time, each with the 80 KiB that the TLS library takes for one that has begun."""

ALERT, HANDSHAKE, APPLICATION_DATA = 21, 22, 23


@pytest.fixture(scope="module")
def context(pki: Factory) -> ssl.SSLContext:
    """A client that the server trusts."""
    trusted = open_context()
    trusted.load_cert_chain(pki.client.pem, pki.client.key_pem)
    return trusted


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory, pki: Factory, context: ssl.SSLContext) -> Iterator[Victim]:
    options = ("-v", *server_words(pki), *SMALL_LIMITS)
    with Victim(tmp_path_factory.mktemp("victim"), *options, words=without_uvloop()) as server:
        server.client_context = context
        server.warm_up()
        yield server


def hello(context: ssl.SSLContext) -> bytes:
    """A ClientHello that the server would answer."""
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def record(kind: int, data: bytes, length: int | None = None, version: int = 0x0303) -> bytes:
    """A TLS record (RFC 8446 5.1), whose length may lie."""
    return pack(">BHH", kind, version, len(data) if length is None else length) + data


def records(hello: bytes) -> list[Attack]:
    """Records that are none, are too long or empty, come out of turn, or hold a handshake message that lies."""
    body = hello[5:]
    forged = {
        "zeros": bytes(2000),
        "no such type": record(99, body),
        "empty handshake records": record(HANDSHAKE, b"") * 40,
        "record of 64 KiB": record(HANDSHAKE, body, 0xFFFF) + bytes(70000),
        "record shorter than it says": record(HANDSHAKE, body, len(body) + 100),
        "record longer than it says": record(HANDSHAKE, body, len(body) - 10),
        "version 9.9": record(HANDSHAKE, body, version=0x0909),
        "SSL 2 hello": b"\x80\x2e\x01\x00\x02" + bytes(44),
        "message of 16 MiB": record(HANDSHAKE, b"\x01\xff\xff\xff" + body[4:]),
        "message of no byte": record(HANDSHAKE, b"\x01\x00\x00\x00"),
        "server's hello": record(HANDSHAKE, b"\x02" + body[1:]),
        "finished at once": record(HANDSHAKE, b"\x14\x00\x00\x0c" + bytes(12)),
        "hello twice": hello * 2,
        "hello, then zeros": hello + bytes(500),
        "hello, then data in the clear": hello + record(APPLICATION_DATA, RQ),
        "hello, then DICOM": hello + RQ,
        "data before all": record(APPLICATION_DATA, RQ),
        "fatal alert": record(ALERT, b"\x02\x28"),
        "alerts": record(ALERT, b"\x01\x5a") * 500,
        "alert of one byte": record(ALERT, b"\x01"),
        "DICOM": RQ,
        "HTTP": b"GET / HTTP/1.1\r\n\r\n",
        "evil text": b"\x1b[2J\nF: forged\n",
    }
    found = [Attack(f"TLS: {label}", data, CONNECTED, ending) for label, data in forged.items() for ending in ENDINGS]
    found += [
        Attack(f"ClientHello cut after {count} bytes", hello[:count], CONNECTED, ending)
        for count in range(0, len(hello), 7)
        for ending in (CLOSE, SILENCE)
    ]
    for place in range(5, len(hello), 3):
        broken = hello[:place] + bytes([hello[place] ^ 0xFF]) + hello[place + 1 :]
        found.append(Attack(f"ClientHello, byte {place} inverted", broken))
    return found


def test_after_hostile_records_it_serves_as_before(victim: Victim, context: ssl.SSLContext) -> None:
    assail(victim, records(hello(context)), HANDSHAKES_MAY_TAKE)


def test_a_hello_byte_by_byte_is_a_hello(victim: Victim, context: ssl.SSLContext) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing)
    wire = victim.connect()
    with wire.connection as connection:
        while True:
            try:
                client.do_handshake()
            except ssl.SSLWantReadError:
                for byte in outgoing.read():
                    connection.sendall(bytes([byte]))
                incoming.write(connection.recv(65536))
            else:
                break
        client.write(RQ)
        for byte in outgoing.read():
            connection.sendall(bytes([byte]))
        assert read_pdu(client, incoming, connection)[0] == ASSOCIATE_AC
    victim.assert_well()


def read_pdu(client: ssl.SSLObject, incoming: ssl.MemoryBIO, connection: socket.socket) -> bytes:
    while True:
        try:
            return client.read(65536)
        except ssl.SSLWantReadError:
            incoming.write(connection.recv(65536))


def test_what_is_hostile_inside_tls_is_no_better(victim: Victim, context: ssl.SSLContext) -> None:
    left = {}
    attacks = [*catalogue.associations(), *catalogue.injections()][::2]
    for attack in attacks:
        secured = context.wrap_socket(victim.connect().connection)
        try:
            if attack.state != CONNECTED:
                secured.sendall(RQ)
                assert Wire(secured).pdu()[0] == ASSOCIATE_AC
            secured.sendall(attack.data)
        except OSError:
            pass  # the server has had enough
        left[secured.detach()] = attack
    standing = outlast({socket.socket(fileno=number): attack for number, attack in left.items()})
    assert not standing
    victim.assert_well()


def test_garbage_after_the_handshake_ends_it(victim: Victim, context: ssl.SSLContext) -> None:
    left = {}
    for data in (bytes(100), RQ, record(APPLICATION_DATA, bytes(64)), record(ALERT, b"\x02\x28")):
        secured = context.wrap_socket(victim.connect().connection)
        plain = socket.socket(fileno=secured.detach())
        plain.sendall(data)
        left[plain] = Attack("garbage after the handshake", data)
    assert not outlast(left)
    victim.assert_well()


def test_renegotiation_is_not_had(victim: Victim, pki: Factory) -> None:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.use_certificate_file(pki.client.pem)
    context.use_privatekey_file(pki.client.key_pem)
    with socket.create_connection((LOOPBACK, victim.port), PATIENCE) as plain:
        plain.settimeout(None)
        connection = SSL.Connection(context, plain)
        connection.set_connect_state()
        connection.do_handshake()
        connection.sendall(RQ)
        assert connection.recv(65536)[0] == ASSOCIATE_AC
        assert connection.renegotiate()
        with pytest.raises(SSL.Error):  # the server's alert, or that it has closed
            connection.do_handshake()
    victim.assert_well()


def test_many_handshakes_and_hellos_without_end(victim: Victim, context: ssl.SSLContext) -> None:
    first = hello(context)
    assail(victim, [Attack("a hello and no more", first)] * 200, HANDSHAKES_MAY_TAKE)
    for _ in range(30):
        context.wrap_socket(victim.connect().connection).close()
    victim.assert_well()


def test_a_flood_of_records_drowns_nobody(victim: Victim) -> None:
    wire = victim.connect()
    with wire.connection as connection:
        block = record(HANDSHAKE, b"\x01\xff\xff\xff" + bytes(16000))
        connection.settimeout(0.5)
        try:
            for _ in range(2000):
                connection.sendall(block)
        except OSError:
            pass
        victim.verify()
        assert is_over(connection) or not outlast({connection: Attack("records", block)})
    victim.assert_well()
