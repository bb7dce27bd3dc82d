"""What the loops need of TLS."""

from __future__ import annotations

import json
import socket
import ssl

import pytest

from dcmecho import causes
from dcmecho.errors import LocalError, TLSError, UsageError
from dcmecho.tls import TLSConfiguration, wire
from dcmecho.tls.certificate import PeerCertificate
from dcmecho.tls.handshake import TLSDetails
from dcmecho.tls.wire import WireTLS

from .factory import Factory
from .loopback import open_context
from .pair import Pair, client_configuration, server_configuration


def shaken(client: WireTLS, server: WireTLS, name: str | None = None) -> Pair:
    pair = Pair(client.context, server.context, name)
    assert pair.stands
    return pair


# Setting up


def test_a_configuration_is_loaded(pki: Factory) -> None:
    ours, theirs = wire.client(client_configuration(pki)), wire.server(server_configuration(pki))
    assert (ours.role, theirs.role) == ("client", "server")
    assert (ours.is_ready_made, theirs.is_ready_made) == (False, False)
    shaken(ours, theirs)


def test_what_setting_up_is_worth_a_warning(pki: Factory) -> None:
    assert wire.client(client_configuration(pki)).warnings == []
    (warning,) = wire.client(client_configuration(pki, profile="aes")).warnings
    assert "3DES" in warning


def test_a_ready_context_is_taken_as_it_is(pki: Factory) -> None:
    context = open_context()
    tls = wire.client(context)
    assert tls.context is context
    assert tls.is_ready_made
    assert tls.warnings == []


def test_what_cannot_be_loaded(pki: Factory) -> None:
    with pytest.raises(LocalError):
        wire.client(client_configuration(pki, key_file="/nonexistent"))
    with pytest.raises(UsageError):
        wire.server(TLSConfiguration())


# The server's name


def test_the_name_that_is_passed_on(pki: Factory) -> None:
    assert wire.client(client_configuration(pki)).server_name("host.example") is None
    asked = wire.client(client_configuration(pki, server_name="asked.example"))
    assert asked.server_name("host.example") == "asked.example"
    verified = wire.client(client_configuration(pki, verify_host_name="verified.example"))
    assert verified.server_name("host.example") == "verified.example"


@pytest.mark.parametrize(("check", "name"), [(True, "host.example"), (False, None)])
def test_a_ready_context_that_compares_names_is_given_the_host(check: bool, name: str | None) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check
    assert wire.client(context).server_name("host.example") == name


# A finished handshake


def test_what_a_client_tells_of_the_server(pki: Factory) -> None:
    client, server = wire.client(client_configuration(pki)), wire.server(server_configuration(pki))
    told = client.finished(shaken(client, server).client.connection).to_dict()
    assert json.loads(json.dumps(told)) == told
    assert (told["protocol"], told["cipher"], told["alpn"]) == ("TLSv1.3", "TLS_AES_256_GCM_SHA384", "dicom")
    assert told["warnings"] == []
    certificate = told["certificate"]
    assert set(certificate) == {
        "subject",
        "issuer",
        "serial",
        "subject_alternative_names",
        "not_before",
        "not_after",
        "days_left",
        "sha256",
        "key",
    }
    assert certificate["subject"] == "O=Test, CN=server"
    assert certificate["days_left"] in (364, 365)
    assert told["chain_not_after"] == certificate["not_after"]


def test_what_a_server_tells_of_the_client(pki: Factory) -> None:
    client, server = wire.client(client_configuration(pki)), wire.server(server_configuration(pki))
    told = server.finished(shaken(client, server).server.connection).to_dict()
    assert told["certificate"]["subject"] == "O=Test, CN=client"


def test_a_client_without_a_certificate(pki: Factory) -> None:
    client = wire.client(client_configuration(pki, key_file=None, certificate_file=None))
    server = wire.server(server_configuration(pki, peer_authentication="verify"))
    told = server.finished(shaken(client, server).server.connection).to_dict()
    assert (told["certificate"], told["chain_not_after"], told["chain_days_left"]) == (None, None, None)


def test_warnings_of_the_setup_are_each_runs_for_a_client_and_not_each_connections_for_a_server(pki: Factory) -> None:
    client = wire.client(client_configuration(pki, profile="aes"))
    server = wire.server(server_configuration(pki, profile="aes"))
    pair = shaken(client, server)
    assert client.finished(pair.client.connection).warnings == client.warnings
    assert client.finished(pair.client.connection).warnings == client.warnings
    assert server.warnings
    assert server.finished(pair.server.connection).warnings == []


def test_a_certificate_that_ends_soon(pki: Factory) -> None:
    soon = pki.root.issue("soon", pki.rsa, end=10)
    server = wire.server(server_configuration(pki, key_file=soon.key_pem, certificate_file=soon.pem))
    for days, warned in ((30, 1), (5, 0), (0, 0)):
        client = wire.client(client_configuration(pki, expiry_warning_days=days))
        assert len(client.finished(shaken(client, server).client.connection).warnings) == warned


def test_a_certificate_that_the_profile_refuses(pki: Factory) -> None:
    weak = pki.root.issue("weak", pki.weak_rsa)
    server = wire.server(
        server_configuration(pki, key_file=weak.key_pem, certificate_file=weak.pem, profile="bcp195-nd")
    )
    client = wire.client(client_configuration(pki))
    with pytest.raises(TLSError) as caught:
        client.finished(shaken(client, server).client.connection)
    assert caught.value.cause is causes.TLS_CERTIFICATE_WEAK
    ignoring = wire.client(client_configuration(pki, peer_authentication="ignore"))
    assert "RSA key of 1024 bit" in str(ignoring.finished(shaken(ignoring, server).client.connection).warnings)


def test_nothing_is_added_to_what_a_ready_context_checks(pki: Factory) -> None:
    weak = pki.root.issue("weak", pki.weak_rsa)
    server = wire.server(open_context(weak))
    client = wire.client(open_context())
    told = client.finished(shaken(client, server).client.connection).to_dict()
    assert told["certificate"]["key"] == "RSA 1024 bit"
    assert told["warnings"] == []


def test_days_are_whole_and_negative_once_over(pki: Factory) -> None:
    for end, days in ((10.5, 10), (-0.5, -1), (-3.5, -4)):
        made = pki.root.issue("aged", pki.rsa, begin=-20, end=end)
        details = TLSDetails("TLSv1.3", "X", None, (PeerCertificate(made.der),))
        found = wire.TLSReport(details, []).to_dict()
        assert found["certificate"]["days_left"] == found["chain_days_left"] == days


# What failed


@pytest.mark.parametrize(
    ("problem", "is_tls"),
    [
        (ssl.SSLError(1, "[SSL] bad record mac"), True),
        (ssl.SSLCertVerificationError(1, "no"), True),
        (ssl.SSLEOFError(8, "EOF"), False),
        (ConnectionResetError(104, "reset"), False),
        (TimeoutError("timed out"), False),
    ],
)
def test_who_found_fault(problem: OSError, is_tls: bool) -> None:
    assert WireTLS.is_tls_error(problem) is is_tls


def test_a_failure_is_told_by_its_role_and_step(pki: Factory) -> None:
    client, server = wire.client(client_configuration(pki)), wire.server(server_configuration(pki))
    late = client.failed(ConnectionResetError(104, "reset"), None, causes.ASSOCIATE)
    assert (late.cause, late.step) == (causes.CONNECTION_RESET, causes.ASSOCIATE)
    early = client.failed(ConnectionResetError(104, "reset"))
    assert (early.cause, early.step) == (causes.PEER_NOT_TLS, causes.TLS)
    assert server.failed(ConnectionResetError(104, "reset")).cause is causes.CONNECTION_RESET


# The end


def test_goodbye_does_not_wait_and_is_no_error(pki: Factory) -> None:
    client, server = wire.client(client_configuration(pki)), wire.server(server_configuration(pki))
    left, right = socket.socketpair()
    with left, right:
        WireTLS.say_goodbye(left)  # no TLS on it: nothing to say
        ours = client.context.wrap_socket(left, do_handshake_on_connect=False)
        theirs = server.context.wrap_socket(right, server_side=True, do_handshake_on_connect=False)
        with ours, theirs:
            ours.setblocking(False)
            WireTLS.say_goodbye(ours)  # before the handshake: none is possible
            theirs.setblocking(False)
            done = 0
            for _ in range(10):
                for side in (ours, theirs):
                    try:
                        side.do_handshake()
                        done += 1
                    except ssl.SSLWantReadError:
                        pass
            assert done >= 2
            WireTLS.say_goodbye(ours)
            theirs.suppress_ragged_eofs = False  # type: ignore[attr-defined]  # typeshed lacks it
            assert theirs.recv(1) == b""
            WireTLS.say_goodbye(ours)
