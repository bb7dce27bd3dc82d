"""Handshakes with DCMTK's programs over loopback."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dcmecho import causes
from dcmecho.errors import TLSError
from dcmecho.tls import (
    TLSConfiguration,
    check_peer,
    client_context,
    handshake_details,
    handshake_failure,
    server_context,
)

from .factory import Factory
from .pair import client_configuration, server_configuration

DEADLINE = 30.0
SHARED_PROFILES = {
    # Profile: what DCMTK's server and ours agree on.
    "bcp195-nd": "TLSv1.3",
    "bcp195": "TLSv1.3",
    "bcp195-ex": "TLSv1.2",
    "aes": "TLSv1.2",
    "null": "TLSv1.2",
}
OPTIONS = {"bcp195-nd": "+py", "bcp195": "+px", "bcp195-ex": "+pz", "aes": "+pa", "null": "+pn"}


def program(name: str) -> str:
    path = shutil.which(name)
    if path is None or b"dcmtk" not in subprocess.run([path, "--version"], capture_output=True).stdout:
        pytest.skip(f"DCMTK's {name} is not installed")
    return path


@contextmanager
def storescp(folder: Path, *options: str) -> Iterator[int]:
    """Run DCMTK's storescp until the block ends; gives its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program("storescp"), *options, str(port)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            _wait_for(port, process)
            yield port
        finally:
            process.terminate()
            process.communicate()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + DEADLINE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None, process.stderr.read() if process.stderr else b""
            assert time.monotonic() < end, "storescp does not listen"
            time.sleep(0.01)
        else:
            return


@contextmanager
def connected(port: int, configuration: TLSConfiguration) -> Iterator[ssl.SSLSocket]:
    context = client_context(configuration)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as plain,
        context.wrap_socket(
            plain, server_hostname=configuration.wire_server_name, do_handshake_on_connect=False
        ) as connection,
    ):
        yield connection


def server_options(pki: Factory, profile: str) -> list[str]:
    return ["+tls", pki.server.key_pem, pki.server.pem, "+cf", pki.root.pem, OPTIONS[profile]]


@pytest.mark.parametrize("profile", SHARED_PROFILES)
def test_our_client_and_their_server(pki: Factory, tmp_path: Path, profile: str) -> None:
    configuration = client_configuration(pki, profile=profile)
    with (
        storescp(tmp_path, *server_options(pki, profile)) as port,
        connected(port, configuration) as connection,
    ):
        connection.do_handshake()
        details = handshake_details(connection)
        assert details.protocol == SHARED_PROFILES[profile]
        assert details.peer is not None
        assert details.peer.common_name == "server"
        assert check_peer(configuration, details.peer.der, "client") == []


def test_the_default_profile_and_their_default(pki: Factory, tmp_path: Path) -> None:
    configuration = client_configuration(pki)
    with (
        storescp(tmp_path, *server_options(pki, "bcp195-nd")) as port,
        connected(port, configuration) as connection,
    ):
        connection.do_handshake()
        assert connection.version() == "TLSv1.3"


@pytest.mark.parametrize(("profile", "late"), [("bcp195-nd", True), ("bcp195-ex", False)])
def test_their_server_misses_our_certificate(pki: Factory, tmp_path: Path, profile: str, late: bool) -> None:
    configuration = client_configuration(pki, profile=profile, key_file=None, certificate_file=None)
    with (
        storescp(tmp_path, *server_options(pki, profile)) as port,
        connected(port, configuration) as connection,
    ):
        if late:
            connection.do_handshake()
        with pytest.raises(OSError, match="alert") as caught:
            connection.recv(1) if late else connection.do_handshake()
        step = causes.ASSOCIATE if late else causes.TLS
        failure = handshake_failure(caught.value, configuration, connection=connection, step=step)
        assert failure.cause is causes.TLS_CLIENT_CERTIFICATE_MISSING


def test_their_server_refuses_our_certificate(pki: Factory, tmp_path: Path) -> None:
    stranger = pki.other.issue("stranger", pki.rsa)
    configuration = client_configuration(pki, key_file=stranger.key_pem, certificate_file=stranger.pem)
    with (
        storescp(tmp_path, *server_options(pki, "bcp195-nd")) as port,
        connected(port, configuration) as connection,
    ):
        connection.do_handshake()
        with pytest.raises(ssl.SSLError, match="alert") as caught:
            connection.recv(1)
        failure = handshake_failure(caught.value, configuration, connection=connection, step=causes.ASSOCIATE)
        assert failure.cause is causes.TLS_CLIENT_CERTIFICATE_REFUSED
        assert "does not trust the CA" in failure.detail


def test_their_server_without_tls(pki: Factory, tmp_path: Path) -> None:
    configuration = client_configuration(pki)
    with storescp(tmp_path) as port, connected(port, configuration) as connection:
        with pytest.raises((ConnectionError, ssl.SSLError)) as caught:
            connection.do_handshake()
        failure = handshake_failure(caught.value, configuration, connection=connection)
        assert failure.cause is causes.PEER_NOT_TLS


class Met:
    """How a meeting with DCMTK's echoscu went: the `failure` of its handshake, or the `first` bytes after it."""

    def __init__(self) -> None:
        self.failure: TLSError | None = None
        self.first = b""
        self.protocol: str | None = None


def echoscu_meets(configuration: TLSConfiguration, *options: str) -> Met:
    """Let DCMTK's echoscu connect to a server with these settings."""
    path, context, met = program("echoscu"), server_context(configuration), Met()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE)
        command = [path, *options, "127.0.0.1", str(listener.getsockname()[1])]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                plain, _ = listener.accept()
                plain.settimeout(DEADLINE)
                with context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as connection:
                    _meet(connection, configuration, met)
            finally:
                process.kill()
    return met


def _meet(connection: ssl.SSLSocket, configuration: TLSConfiguration, met: Met) -> None:
    try:
        connection.do_handshake()
    except OSError as problem:
        met.failure = handshake_failure(problem, configuration, connection=connection, role="server")
    else:
        met.protocol = connection.version()
        met.first = connection.recv(2)


@pytest.mark.parametrize("profile", SHARED_PROFILES)
def test_their_client_and_our_server(pki: Factory, profile: str) -> None:
    options = ["+tls", pki.client.key_pem, pki.client.pem, "+cf", pki.root.pem, OPTIONS[profile]]
    met = echoscu_meets(server_configuration(pki, profile=profile), *options)
    assert met.failure is None
    assert met.protocol == SHARED_PROFILES[profile]
    assert met.first == b"\x01\x00"  # A-ASSOCIATE-RQ


@pytest.mark.parametrize(("mode", "accepted"), [("require", False), ("verify", True), ("ignore", True)])
def test_their_anonymous_client(pki: Factory, mode: str, accepted: bool) -> None:
    met = echoscu_meets(server_configuration(pki, peer_authentication=mode), "+tla", "+cf", pki.root.pem)
    if accepted:
        assert met.first == b"\x01\x00"
    else:
        assert met.failure is not None
        assert met.failure.cause is causes.TLS_PEER_CERTIFICATE_MISSING


def test_their_client_does_not_trust_us(pki: Factory) -> None:
    options = ["+tls", pki.client.key_pem, pki.client.pem, "+cf", pki.other.pem]
    met = echoscu_meets(server_configuration(pki), *options)
    assert met.failure is not None
    assert met.failure.cause is causes.TLS_CLIENT_CERTIFICATE_REFUSED


def test_their_client_without_tls(pki: Factory) -> None:
    met = echoscu_meets(server_configuration(pki))
    assert met.failure is not None
    assert met.failure.cause is causes.PEER_NOT_TLS


def test_their_client_meets_our_own_group(pki: Factory) -> None:
    options = ["+tls", pki.client.key_pem, pki.client.pem, "+cf", pki.root.pem, "+pa"]
    suite = "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"
    met = echoscu_meets(server_configuration(pki, profile="aes", ciphers=[suite]), *options, "+cs", suite)
    assert met.first == b"\x01\x00"
