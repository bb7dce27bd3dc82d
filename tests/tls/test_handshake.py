"""What a handshake tells, and the profile's rules for the peer's certificate."""

from __future__ import annotations

import pytest

from dcmecho import causes
from dcmecho.errors import TLSError
from dcmecho.tls import TLSConfiguration, check_peer, handshake_details
from dcmecho.tls.handshake import TLSDetails, peer_chain

from .factory import Factory
from .pair import client_configuration, connect, server_configuration


def test_details_at_the_client(pki: Factory) -> None:
    leaf = pki.intermediate.issue("below", pki.rsa)
    server = server_configuration(pki, key_file=leaf.key_pem, certificate_file=leaf.chain_pem(pki.intermediate))
    pair = connect(client_configuration(pki), server)
    details = handshake_details(pair.client.connection)
    assert details.protocol == "TLSv1.3"
    assert details.cipher == "TLS_AES_256_GCM_SHA384"
    assert details.alpn == "dicom"
    assert details.peer is not None
    assert details.peer.der == leaf.der
    assert [each.common_name for each in details.chain] == ["below", "intermediate", "root"]
    assert details.chain_not_after == min(each.not_after for each in details.chain)


def test_details_at_the_server(pki: Factory) -> None:
    settings = {"profile": "bcp195-ex"}
    pair = connect(client_configuration(pki, **settings), server_configuration(pki, **settings))
    details = handshake_details(pair.server.connection)
    assert details.protocol == "TLSv1.2"
    assert details.cipher == "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
    assert details.peer is not None
    assert details.peer.common_name == "client"


def test_details_without_a_certificate(pki: Factory) -> None:
    anonymous = client_configuration(pki, key_file=None, certificate_file=None)
    pair = connect(anonymous, server_configuration(pki, peer_authentication="verify"))
    details = handshake_details(pair.server.connection)
    assert details.peer is None
    assert details.chain == ()
    assert details.chain_not_after is None
    assert details.expiry_warnings(30, 0) == []


def test_details_where_the_certificate_is_ignored(pki: Factory) -> None:
    stranger = pki.other.issue("stranger", pki.rsa)
    server = server_configuration(pki, key_file=stranger.key_pem, certificate_file=stranger.pem)
    pair = connect(client_configuration(pki, peer_authentication="ignore"), server)
    details = handshake_details(pair.client.connection)
    assert details.peer is not None
    assert details.peer.issuer == "O=Test, CN=other"


def test_interpreter_that_tells_no_chain(pki: Factory) -> None:
    class Dull:
        """A connection of an interpreter that keeps the chain to itself."""

        def getpeercert(self, binary_form: bool) -> bytes | None:
            return pki.server.der if binary_form else None

        def cipher(self) -> tuple[str, str, int]:
            return ("ECDHE-RSA-AES128-GCM-SHA256", "TLSv1.2", 128)

        def version(self) -> str:
            return "TLSv1.2"

        def selected_alpn_protocol(self) -> None:
            return None

    details = handshake_details(Dull())  # type: ignore[arg-type]  # stands in for a connection
    assert [each.common_name for each in details.chain] == ["server"]
    assert details.cipher == "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
    assert peer_chain(Dull()) == []  # type: ignore[arg-type]  # stands in for a connection


def test_expiry_warnings(pki: Factory) -> None:
    leaf = pki.root.issue("soon", pki.rsa, end=10)
    server = server_configuration(pki, key_file=leaf.key_pem, certificate_file=leaf.pem)
    details = handshake_details(connect(client_configuration(pki), server).client.connection)
    assert details.peer is not None
    now = details.peer.not_after - 5 * 86400
    (warning,) = details.expiry_warnings(30, now)
    assert warning.startswith('the peer\'s certificate "O=Test, CN=soon" expires in 5 days, 20')
    assert details.expiry_warnings(5, now) == []
    assert details.expiry_warnings(0, now) == []
    (warning,) = details.expiry_warnings(30, details.peer.not_after + 2 * 86400)
    assert "expired 2 days ago" in warning
    late = details.expiry_warnings(30, details.chain[1].not_after - 86400)
    assert "a CA certificate of the peer" in late[1]


@pytest.mark.parametrize(
    ("profile", "role", "refused"),
    [
        ("8996-mod", "client", True),
        ("8996-mod", "server", True),
        ("8996", "client", True),
        ("8996", "server", False),
        ("bcp195-nd", "client", False),
        ("null", "server", False),
    ],
)
def test_short_rsa_key_of_the_peer(pki: Factory, profile: str, role: str, refused: bool) -> None:
    der = pki.root.issue("weak", pki.weak_rsa).der
    configuration = TLSConfiguration(profile=profile)
    if refused:
        with pytest.raises(TLSError) as caught:
            check_peer(configuration, der, role)
        assert caught.value.cause is causes.TLS_CERTIFICATE_WEAK
        assert "RSA key of 1024 bit, less than 2048" in caught.value.detail
    else:
        assert "1024 bit" in check_peer(configuration, der, role)[0]
    ignoring = TLSConfiguration(profile=profile, peer_authentication="ignore")
    assert "1024 bit" in check_peer(ignoring, der, role)[0]


@pytest.mark.parametrize(
    ("profile", "digest", "refused"),
    [
        ("8996-mod", "sha1", True),
        ("8996", "sha1", False),
        ("8996", "md5", True),
        ("bcp195-nd", "md5", False),
    ],
)
def test_old_hash_of_the_peer(pki: Factory, profile: str, digest: str, refused: bool) -> None:
    der = pki.root.issue_hashed(f"peer-{digest}", pki.rsa, digest).der
    configuration = TLSConfiguration(profile=profile)
    if refused:
        with pytest.raises(TLSError, match="signed with"):
            check_peer(configuration, der, "client")
    else:
        assert "signed with" in check_peer(configuration, der, "client")[0]


def test_a_good_certificate_and_none_at_all(pki: Factory) -> None:
    for profile in ("8996-mod", "8996", "bcp195-nd"):
        for role in ("client", "server"):
            assert check_peer(TLSConfiguration(profile=profile), pki.server.der, role) == []
    assert check_peer(TLSConfiguration(), None, "server") == []
    assert check_peer(TLSConfiguration(), pki.root.issue("curve", pki.p256).der, "client") == []


def test_a_certificate_that_cannot_be_read() -> None:
    with pytest.raises(TLSError) as caught:
        check_peer(TLSConfiguration(), b"\x30\x00", "client")
    assert caught.value.cause is causes.TLS_CERTIFICATE_INVALID
    (warning,) = check_peer(TLSConfiguration(peer_authentication="ignore"), b"\x30\x00", "client")
    assert "cannot be read" in warning


def test_an_unreadable_certificate_ends_the_chain() -> None:
    assert TLSDetails("TLSv1.3", "x", None, ()).peer is None
