"""TLS over bytes without I/O."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dcmecho.tls import wire
from dcmecho.tls.layer import TLSLayer
from dcmecho.tls.wire import WireTLS

from .factory import Factory
from .loopback import open_context
from .pair import client_configuration, server_configuration


class Ends:
    """A client's layer and a server's, and what passes between them."""

    def __init__(self, client: WireTLS, server: WireTLS, name: str | None = None) -> None:
        self.client = TLSLayer(client, name)
        self.server = TLSLayer(server)

    def shake_hands(self) -> None:
        self.client.start()
        for _ in range(4):
            to_server = self.client.data_to_send()
            if to_server:
                assert self.server.receive(to_server) == b""
            to_client = self.server.data_to_send()
            if to_client:
                assert self.client.receive(to_client) == b""


@pytest.fixture
def ends(pki: Factory) -> Ends:
    return Ends(wire.client(client_configuration(pki)), wire.server(server_configuration(pki)))


def test_a_server_waits_and_a_client_begins(ends: Ends) -> None:
    assert ends.server.data_to_send() == b""
    assert ends.client.data_to_send() == b""
    ends.client.start()
    hello = ends.client.data_to_send()
    assert hello[:1] == b"\x16"
    assert ends.client.data_to_send() == b""
    assert ends.client.first_bytes == ends.server.first_bytes == b""


def test_a_handshake_and_words_both_ways(ends: Ends) -> None:
    ends.shake_hands()
    assert ends.client.is_established
    assert ends.server.is_established
    assert ends.client.first_bytes[:2] == ends.server.first_bytes[:2] == b"\x16\x03"
    assert ends.server.receive(ends.client.send(b"request")) == b"request"
    assert ends.client.receive(ends.server.send(b"answer")) == b"answer"
    assert b"request" not in ends.client.send(b"request")
    assert not ends.client.has_peer_closed


def test_several_records_at_once_are_one_piece(ends: Ends) -> None:
    ends.shake_hands()
    data = ends.client.send(b"one") + ends.client.send(b"") + ends.client.send(b"two")
    assert ends.server.receive(data) == b"onetwo"


def test_more_than_a_record_holds(ends: Ends) -> None:
    ends.shake_hands()
    block = bytes(range(256)) * 1024
    assert ends.server.receive(ends.client.send(block)) == block


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 40))
def test_however_the_bytes_are_cut(pki: Factory, messages: list[bytes], size: int) -> None:
    ends = Ends(wire.client(client_configuration(pki)), wire.server(server_configuration(pki)))
    ends.shake_hands()
    data = b"".join(ends.client.send(message) for message in messages)
    plain = [ends.server.receive(data[at : at + size]) for at in range(0, len(data), size)]
    assert b"".join(plain) == b"".join(messages)


def test_a_handshake_byte_by_byte(ends: Ends) -> None:
    ends.client.start()
    for _ in range(3):
        for byte in ends.client.data_to_send():
            ends.server.receive(bytes([byte]))
        for byte in ends.server.data_to_send():
            ends.client.receive(bytes([byte]))
    assert ends.client.is_established
    assert ends.server.is_established


def test_words_that_come_with_the_end_of_the_handshake(ends: Ends) -> None:
    ends.client.start()
    ends.server.receive(ends.client.data_to_send())
    ends.client.receive(ends.server.data_to_send())
    assert ends.client.is_established
    assert not ends.server.is_established
    data = ends.client.data_to_send() + ends.client.send(b"request")
    assert ends.server.receive(data) == b"request"


def test_the_end_is_told(ends: Ends) -> None:
    ends.shake_hands()
    ends.client.close()
    goodbye = ends.client.data_to_send()
    assert goodbye
    assert ends.server.receive(goodbye) == b""
    assert ends.server.has_peer_closed


def test_last_words_before_the_end(ends: Ends) -> None:
    ends.shake_hands()
    last = ends.client.send(b"last words")
    ends.client.close()
    assert ends.server.receive(last + ends.client.data_to_send()) == b"last words"
    assert ends.server.has_peer_closed


def test_closing_what_never_stood_is_no_error(ends: Ends) -> None:
    ends.server.close()
    ends.client.start()
    ends.client.data_to_send()
    ends.client.close()
    ends.client.close()


def test_an_alert_is_left_to_send_when_a_handshake_fails(pki: Factory) -> None:
    ends = Ends(
        wire.client(client_configuration(pki, ca_files=[(pki.other.pem, "pem")])),
        wire.server(server_configuration(pki)),
    )
    ends.client.start()
    ends.server.receive(ends.client.data_to_send())
    with pytest.raises(ssl.SSLCertVerificationError):
        ends.client.receive(ends.server.data_to_send())
    assert not ends.client.is_established
    alert = ends.client.data_to_send()
    assert alert
    with pytest.raises(ssl.SSLError, match="unknown ca"):
        ends.server.receive(alert)


def test_a_late_refusal_comes_with_what_is_received(pki: Factory) -> None:
    ends = Ends(
        wire.client(client_configuration(pki, key_file=None, certificate_file=None)),
        wire.server(server_configuration(pki)),
    )
    ends.client.start()
    ends.server.receive(ends.client.data_to_send())
    ends.client.receive(ends.server.data_to_send())
    assert ends.client.is_established
    with pytest.raises(ssl.SSLError):
        ends.server.receive(ends.client.data_to_send())
    with pytest.raises(ssl.SSLError, match=r"(?i)certificate.required"):
        ends.client.receive(ends.server.data_to_send())


@pytest.mark.parametrize("data", [b"GET / HTTP/1.0\r\n\r\n", b"\x01\x00\x00\x00\x00\x44" + bytes(68)])
def test_what_is_not_tls(ends: Ends, data: bytes) -> None:
    with pytest.raises(ssl.SSLError):
        ends.server.receive(data)
    assert ends.server.first_bytes
    assert data.startswith(ends.server.first_bytes)
    assert not ends.server.is_established


def test_what_cannot_be_decrypted(ends: Ends) -> None:
    ends.shake_hands()
    data = bytearray(ends.client.send(b"request"))
    data[-1] ^= 1
    with pytest.raises(ssl.SSLError):
        ends.server.receive(bytes(data))
    assert ends.server.data_to_send()  # the alert


def test_the_name_a_client_asks_for(pki: Factory) -> None:
    asked: list[str | None] = []
    context = open_context(pki.server)
    context.sni_callback = lambda connection, name, context: asked.append(name)
    for name in ("pacs.example", None):
        Ends(wire.client(client_configuration(pki)), wire.server(context), name).shake_hands()
    assert asked == ["pacs.example", None]
