"""The same against a server with TLS: records that are none, handshakes that do not end, and what hides behind TLS."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from peers import ASSOCIATE_AC, PATIENCE, RQ
from programs import LOOPBACK
from tls.loopback import open_context, server_words

from . import catalogue
from .assault import assail, assail_inside, is_over, outlast
from .catalogue import Attack
from .tls_catalogue import ALERT, APPLICATION_DATA, HANDSHAKE, HANDSHAKES_MAY_TAKE, hello, record, records
from .victim import HAS_PROC, SMALL_LIMITS, Victim, without_epoll

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tls.factory import Factory

pytestmark = pytest.mark.skipif(not HAS_PROC, reason="what a process holds is read from /proc")


@pytest.fixture(scope="module")
def context(pki: Factory) -> ssl.SSLContext:
    """A client that the server trusts."""
    trusted = open_context()
    trusted.load_cert_chain(pki.client.pem, pki.client.key_pem)
    return trusted


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory, pki: Factory, context: ssl.SSLContext) -> Iterator[Victim]:
    options = ("-v", *server_words(pki), *SMALL_LIMITS)
    with Victim(tmp_path_factory.mktemp("victim"), *options, words=without_epoll()) as server:
        server.client_context = context
        server.warm_up()
        yield server


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
    assail_inside(victim, context, [*catalogue.associations(), *catalogue.injections()][::2])


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
