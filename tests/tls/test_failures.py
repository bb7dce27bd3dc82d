"""Each failure comes from a real handshake."""

from __future__ import annotations

import errno
import ssl

import pytest

from dcmecho import causes
from dcmecho.errors import TLSError
from dcmecho.tls import TLSConfiguration, client_context, handshake_failure, server_context
from dcmecho.tls.certificate import date_text
from dcmecho.tls.failures import looks_like_tls

from .factory import Authority, Factory, Identity
from .pair import Pair, Side, client_configuration, connect, server_configuration


def client_failure(pair: Pair, configuration: TLSConfiguration) -> TLSError:
    assert pair.client.problem is not None, "the client's handshake should fail"
    return handshake_failure(
        pair.client.problem,
        configuration,
        peer_bytes=pair.client.first_bytes,
        connection=pair.client.connection,
    )


def server_failure(pair: Pair, configuration: TLSConfiguration) -> TLSError:
    assert pair.server.problem is not None, "the server's handshake should fail"
    return handshake_failure(
        pair.server.problem,
        configuration,
        peer_bytes=pair.server.first_bytes,
        connection=pair.server.connection,
        role="server",
    )


def late_failure(pair: Pair, configuration: TLSConfiguration) -> TLSError:
    assert pair.client.done
    problem = pair.client_reads()
    assert problem is not None
    return handshake_failure(problem, configuration, connection=pair.client.connection, step=causes.ASSOCIATE)


def of(identity: Identity, certificate_file: str | None = None) -> dict[str, object]:
    return {"key_file": identity.key_pem, "certificate_file": certificate_file or identity.pem}


# The server's certificate, in the client's eyes


def test_unknown_ca_names_subject_issuer_and_where_was_looked(pki: Factory) -> None:
    configuration = client_configuration(pki, ca_files=[(pki.other.pem, "pem")])
    failure = client_failure(connect(configuration, server_configuration(pki)), configuration)
    assert failure.cause is causes.TLS_UNKNOWN_CA
    # 19 if the server sends its root along, as it does when it trusts that itself.
    assert failure.verify_code in (19, 20)
    assert "CN=server" in failure.detail
    assert f'"O=Test, CN=root" is not in "{pki.other.pem}"' in failure.detail


def test_self_signed_peer(pki: Factory) -> None:
    configuration = client_configuration(pki)
    alone = pki.authority("alone", pki.rsa)
    failure = client_failure(connect(configuration, server_configuration(pki, **of(alone))), configuration)
    assert failure.cause is causes.TLS_UNKNOWN_CA
    assert "self-signed" in failure.detail


def test_without_any_ca_nothing_is_trusted(pki: Factory) -> None:
    configuration = client_configuration(pki, ca_files=())
    failure = client_failure(connect(configuration, server_configuration(pki)), configuration)
    assert failure.cause is causes.TLS_UNKNOWN_CA
    assert "no CA certificate is given" in failure.detail


@pytest.mark.parametrize("profile", ["8996", "bcp195-ex"])
def test_expired_tells_the_date_and_the_clock(pki: Factory, profile: str) -> None:
    configuration = client_configuration(pki, profile=profile)
    expired = pki.root.issue("expired", pki.rsa, begin=-20, end=-10)
    failure = client_failure(
        connect(configuration, server_configuration(pki, profile=profile, **of(expired))), configuration
    )
    assert failure.cause is causes.TLS_CERTIFICATE_EXPIRED
    assert failure.verify_code == 10
    assert date_text(expired.certificate.not_valid_after_utc.timestamp()) in failure.detail
    assert "the clock here says 20" in failure.detail


def test_not_yet_valid_tells_the_date(pki: Factory) -> None:
    configuration = client_configuration(pki)
    future = pki.root.issue("future", pki.rsa, begin=10, end=20)
    failure = client_failure(connect(configuration, server_configuration(pki, **of(future))), configuration)
    assert failure.cause is causes.TLS_CERTIFICATE_NOT_YET_VALID
    assert date_text(future.certificate.not_valid_before_utc.timestamp()) in failure.detail


def test_expired_issuer_is_the_one_that_is_named(pki: Factory) -> None:
    old = pki.root.issue_authority("old-ca", pki.p256, end=0.0)
    below = old.issue("below", pki.rsa)
    configuration = client_configuration(pki)
    server = server_configuration(pki, **of(below, below.chain_pem(old)))
    failure = client_failure(connect(configuration, server), configuration)
    assert failure.cause is causes.TLS_CERTIFICATE_EXPIRED
    assert "CN=old-ca" in failure.detail


@pytest.mark.parametrize("der", [False, True])
def test_revoked(pki: Factory, der: bool) -> None:
    crl = pki.root.crl(pki.server, der=der)
    configuration = client_configuration(pki, crl_files=[(crl, "der" if der else "pem")])
    failure = client_failure(connect(configuration, server_configuration(pki)), configuration)
    assert failure.cause is causes.TLS_CERTIFICATE_REVOKED
    assert failure.verify_code == 23
    assert f'{pki.server.certificate.serial_number:X}, by the list of "O=Test, CN=root"' in failure.detail


def test_revoked_authority(pki: Factory) -> None:
    below = pki.intermediate.issue("below", pki.rsa)
    lists = [(pki.intermediate.crl(), "pem"), (pki.root.crl(pki.intermediate), "pem")]
    configuration = client_configuration(pki, crl_files=lists, crl_check="chain")
    server = server_configuration(pki, **of(below, below.chain_pem(pki.intermediate)))
    failure = client_failure(connect(configuration, server), configuration)
    assert failure.cause is causes.TLS_CERTIFICATE_REVOKED
    assert "or a CA above it" in failure.detail


def test_missing_crl_names_the_issuer(pki: Factory) -> None:
    configuration = client_configuration(pki, crl_check="leaf")
    failure = client_failure(connect(configuration, server_configuration(pki)), configuration)
    assert failure.cause is causes.TLS_CRL_MISSING
    assert "CN=root" in failure.detail


def test_expired_crl_tells_file_and_date(pki: Factory) -> None:
    crl = pki.root.crl(end=-2)
    configuration = client_configuration(pki, crl_files=[(crl, "pem")])
    failure = client_failure(connect(configuration, server_configuration(pki)), configuration)
    assert failure.cause is causes.TLS_CRL_EXPIRED
    assert crl in failure.detail
    assert "ended on" in failure.detail


def test_wrong_host_name_tells_whom_it_is_for(pki: Factory) -> None:
    configuration = client_configuration(pki, verify_host_name="pacs.example")
    failure = client_failure(connect(configuration, server_configuration(pki)), configuration)
    assert failure.cause is causes.TLS_WRONG_HOST_NAME
    assert failure.detail == 'it is for "localhost", "127.0.0.1", not for "pacs.example"'


def test_wrong_address(pki: Factory) -> None:
    configuration = client_configuration(pki, verify_host_name="127.0.0.2")
    failure = client_failure(connect(configuration, server_configuration(pki)), configuration)
    assert failure.cause is causes.TLS_WRONG_HOST_NAME
    assert failure.verify_code == 64


def test_wrong_purpose_tells_the_usages(pki: Factory) -> None:
    configuration = client_configuration(pki)
    failure = client_failure(connect(configuration, server_configuration(pki, **of(pki.client))), configuration)
    assert failure.cause is causes.TLS_CERTIFICATE_PURPOSE
    assert "is for clientAuth; serverAuth is needed" in failure.detail


def test_weak_key_below_the_security_level(pki: Factory) -> None:
    weak = pki.root.issue("weak", pki.weak_rsa)
    configuration = client_configuration(pki, profile="8996-mod")
    failure = client_failure(connect(configuration, server_configuration(pki, **of_weak(weak))), configuration)
    assert failure.cause is causes.TLS_CERTIFICATE_WEAK
    assert "RSA 1024 bit" in failure.detail


def of_weak(weak: Identity) -> dict[str, object]:
    # The default profile would refuse it as its own.
    return {"profile": "bcp195-nd", "ciphers": ["ECDHE-RSA-CHACHA20-POLY1305"], **of(weak)}


def test_a_hostile_subject_is_shown_escaped(pki: Factory) -> None:
    evil = pki.authority("evil\x1b[2J", pki.rsa)
    configuration = client_configuration(pki)
    failure = client_failure(connect(configuration, server_configuration(pki, **of(evil))), configuration)
    assert '"O=Test, CN=evil\\x1b[2J" is self-signed' in str(failure)


# The client's certificate


def test_client_certificate_missing_tls_1_3_comes_with_the_first_read(pki: Factory) -> None:
    configuration = client_configuration(pki, key_file=None, certificate_file=None)
    pair = connect(configuration, server_configuration(pki))
    failure = late_failure(pair, configuration)
    assert failure.cause is causes.TLS_CLIENT_CERTIFICATE_MISSING
    assert failure.step == causes.ASSOCIATE


def test_client_certificate_missing_tls_1_2_is_told_from_no_common_suite(pki: Factory) -> None:
    configuration = client_configuration(pki, key_file=None, certificate_file=None, profile="bcp195-ex")
    pair = connect(configuration, server_configuration(pki, profile="bcp195-ex"))
    assert client_failure(pair, configuration).cause is causes.TLS_CLIENT_CERTIFICATE_MISSING


def test_server_tells_that_the_client_sent_none(pki: Factory) -> None:
    server = server_configuration(pki)
    pair = connect(client_configuration(pki, key_file=None, certificate_file=None), server)
    failure = server_failure(pair, server)
    assert failure.cause is causes.TLS_PEER_CERTIFICATE_MISSING
    assert "sent no certificate" in str(failure)


def by_other_ca(pki: Factory) -> Identity:
    return pki.other.issue("stranger", pki.rsa)


def expired_client(pki: Factory) -> Identity:
    return pki.root.issue("old-client", pki.rsa, begin=-20, end=-10)


def server_only(pki: Factory) -> Identity:
    return pki.server


@pytest.mark.parametrize(
    ("make", "told", "seen"),
    [
        (by_other_ca, "does not trust the CA", causes.TLS_UNKNOWN_CA),
        (expired_client, "has expired", causes.TLS_CERTIFICATE_EXPIRED),
        (server_only, "purpose is not supported", causes.TLS_CERTIFICATE_PURPOSE),
    ],
)
@pytest.mark.parametrize("profile", ["8996", "bcp195-ex"])
def test_client_certificate_refused_in_the_eyes_of_both(
    pki: Factory, make: object, told: str, seen: causes.Cause, profile: str
) -> None:
    assert callable(make)
    configuration = client_configuration(pki, profile=profile, **of(make(pki)))
    server = server_configuration(pki, profile=profile)
    pair = connect(configuration, server)
    failure = late_failure(pair, configuration) if profile == "8996" else client_failure(pair, configuration)
    assert failure.cause is causes.TLS_CLIENT_CERTIFICATE_REFUSED
    assert told in failure.detail
    assert server_failure(pair, server).cause is seen


def test_revoked_client(pki: Factory) -> None:
    server = server_configuration(pki, crl_files=[(pki.root.crl(pki.client), "pem")])
    configuration = client_configuration(pki)
    pair = connect(configuration, server)
    assert server_failure(pair, server).cause is causes.TLS_CERTIFICATE_REVOKED
    failure = late_failure(pair, configuration)
    assert failure.cause is causes.TLS_CLIENT_CERTIFICATE_REFUSED
    assert "revoked" in failure.detail


def test_server_told_that_its_certificate_is_refused(pki: Factory) -> None:
    server = server_configuration(pki)
    pair = connect(client_configuration(pki, ca_files=[(pki.other.pem, "pem")]), server)
    failure = server_failure(pair, server)
    assert failure.cause is causes.TLS_CLIENT_CERTIFICATE_REFUSED
    assert failure.hint == "the client must trust the CA of our certificate"


def test_closed_right_after_the_handshake_keeps_the_step() -> None:
    failure = handshake_failure(ConnectionResetError(errno.ECONNRESET, "reset"), TLSConfiguration(), step="associate")
    assert failure.cause is causes.CONNECTION_RESET
    assert failure.step == "associate"


# Nothing in common


def test_no_common_suite_in_the_eyes_of_both(pki: Factory) -> None:
    configuration = client_configuration(pki)
    server = server_configuration(pki, profile="aes")
    pair = connect(configuration, server)
    # TLS 1.2 is common to both, their suites are not.
    assert client_failure(pair, configuration).cause is causes.TLS_NO_COMMON_CIPHER
    assert server_failure(pair, server).cause is causes.TLS_NO_COMMON_CIPHER


def test_no_common_version(pki: Factory) -> None:
    old = client_context(client_configuration(pki, profile="aes"))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    modern = server_context(server_configuration(pki))
    modern.minimum_version = ssl.TLSVersion.TLSv1_3
    pair = Pair(old, modern)
    aes = client_configuration(pki, profile="aes")
    failure = client_failure(pair, aes)
    assert failure.cause is causes.TLS_NO_COMMON_VERSION
    assert failure.detail == "profile aes has TLS 1.0 to TLS 1.2"
    assert server_failure(pair, server_configuration(pki)).cause is causes.TLS_NO_COMMON_VERSION


def test_no_common_suite_tells_ours(pki: Factory) -> None:
    configuration = client_configuration(pki, profile="null")
    pair = connect(configuration, server_configuration(pki, profile="aes"))
    failure = client_failure(pair, configuration)
    assert failure.cause is causes.TLS_NO_COMMON_CIPHER
    assert failure.detail == "profile null has TLS_RSA_WITH_NULL_SHA"


def test_refused_server_name(pki: Factory) -> None:
    configuration = client_configuration(pki, server_name="pacs.example")
    pair = connect(configuration, server_configuration(pki, expected_server_name="other.example"))
    failure = client_failure(pair, configuration)
    assert failure.cause is causes.TLS_SERVER_NAME_REFUSED
    assert failure.detail == '"pacs.example"'


# No TLS at all


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP"),
        (b"SSH-2.0-Test\r\n", "SSH"),
        (bytes.fromhex("070000000004 00000201"), "DICOM without TLS"),
        (b"220 mail ready\r\n", "220 mail"),
    ],
)
def test_client_meets_something_else(pki: Factory, answer: bytes, words: str) -> None:
    configuration = client_configuration(pki)
    side = Side(client_context(configuration), server=False)
    side.step()
    side.receive(answer)
    side.step()
    assert side.problem is not None
    failure = handshake_failure(side.problem, configuration, peer_bytes=side.first_bytes)
    assert failure.cause is causes.PEER_NOT_TLS
    assert words in failure.detail
    # Without the bytes it is still told from a TLS that failed.
    assert handshake_failure(side.problem, configuration).cause is causes.PEER_NOT_TLS


@pytest.mark.parametrize("request_bytes", [bytes.fromhex("0100000000cd0001") + bytes(199), b"GET / HTTP/1.0\r\n\r\n"])
def test_server_meets_a_client_without_tls(pki: Factory, request_bytes: bytes) -> None:
    configuration = server_configuration(pki)
    side = Side(server_context(configuration), server=True)
    side.receive(request_bytes)
    side.step()
    assert side.problem is not None
    failure = handshake_failure(side.problem, configuration, peer_bytes=side.first_bytes, role="server")
    assert failure.cause is causes.PEER_NOT_TLS
    assert "client" in failure.hint


def test_peer_closes_instead_of_answering(pki: Factory) -> None:
    configuration = client_configuration(pki)
    side = Side(client_context(configuration), server=False)
    side.step()
    side.incoming.write_eof()
    side.step()
    assert side.problem is not None
    assert handshake_failure(side.problem, configuration).cause is causes.PEER_NOT_TLS
    reset = ConnectionResetError(errno.ECONNRESET, "reset")
    assert handshake_failure(reset, configuration).cause is causes.PEER_NOT_TLS
    assert handshake_failure(reset, configuration, peer_bytes=b"\x16\x03\x03").cause is causes.CONNECTION_RESET
    assert handshake_failure(reset, configuration, role="server").cause is causes.CONNECTION_RESET


def test_silence_and_a_lost_network(pki: Factory) -> None:
    configuration = client_configuration(pki)
    assert handshake_failure(TimeoutError("timed out"), configuration).cause is causes.TLS_TIMEOUT
    lost = handshake_failure(OSError(errno.EHOSTUNREACH, "no route"), configuration)
    assert lost.cause is causes.CONNECTION_LOST
    assert lost.detail == "no route"


def alert(number: int) -> bytes:
    return bytes((0x15, 3, 3, 0, 2, 2, number))


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (40, causes.TLS_NO_COMMON_CIPHER),
        (42, causes.TLS_CLIENT_CERTIFICATE_REFUSED),
        (43, causes.TLS_CLIENT_CERTIFICATE_REFUSED),
        (44, causes.TLS_CLIENT_CERTIFICATE_REFUSED),
        (45, causes.TLS_CLIENT_CERTIFICATE_REFUSED),
        (46, causes.TLS_CLIENT_CERTIFICATE_REFUSED),
        (48, causes.TLS_CLIENT_CERTIFICATE_REFUSED),
        (49, causes.TLS_CLIENT_CERTIFICATE_REFUSED),
        (70, causes.TLS_NO_COMMON_VERSION),
        (71, causes.TLS_NO_COMMON_CIPHER),
        (80, causes.TLS_HANDSHAKE_FAILED),
        (112, causes.TLS_SERVER_NAME_REFUSED),
        (116, causes.TLS_CLIENT_CERTIFICATE_MISSING),
        (120, causes.TLS_HANDSHAKE_FAILED),
        (51, causes.TLS_HANDSHAKE_FAILED),
    ],
)
def test_alerts_in_answer_to_the_hello(pki: Factory, number: int, cause: causes.Cause) -> None:
    configuration = client_configuration(pki)
    side = Side(client_context(configuration), server=False)
    side.step()
    side.receive(alert(number))
    side.step()
    assert side.problem is not None
    failure = handshake_failure(side.problem, configuration, peer_bytes=side.first_bytes)
    assert failure.cause is cause
    assert failure.step in cause.steps
    if number == 120:
        assert "ALPN" in failure.detail


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("DH_KEY_TOO_SMALL", causes.TLS_HANDSHAKE_FAILED),
        ("UNSAFE_LEGACY_RENEGOTIATION_DISABLED", causes.TLS_HANDSHAKE_FAILED),
        ("NO_SUITABLE_KEY_SHARE", causes.TLS_NO_COMMON_CIPHER),
        ("EE_KEY_TOO_SMALL", causes.TLS_CERTIFICATE_WEAK),
        ("UNSUPPORTED_PROTOCOL", causes.TLS_NO_COMMON_VERSION),
        ("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", causes.TLS_HANDSHAKE_FAILED),
    ],
)
def test_reasons_that_only_odd_peers_give(reason: str, cause: causes.Cause) -> None:
    problem = ssl.SSLError(1, f"[SSL: {reason}] words (_ssl.c:1)")
    problem.reason = reason
    assert handshake_failure(problem, TLSConfiguration()).cause is cause


def test_a_record_of_another_version_is_still_tls() -> None:
    problem = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1)")
    problem.reason = "WRONG_VERSION_NUMBER"
    failure = handshake_failure(problem, TLSConfiguration(profile="bcp195-ex"), peer_bytes=b"\x16\x03\x00")
    assert failure.cause is causes.TLS_NO_COMMON_VERSION
    assert failure.detail == "profile bcp195-ex has TLS 1.2"


@pytest.mark.parametrize("text", ["ssl/tls alert handshake failure", "sslv3 alert handshake failure"])
def test_the_text_stands_in_for_a_reason_without_a_name(text: str) -> None:
    problem = ssl.SSLError(1, f"[SSL] {text} (_ssl.c:1)")
    problem.reason = None  # type: ignore[assignment]  # as Python leaves it then
    assert handshake_failure(problem, TLSConfiguration()).cause is causes.TLS_NO_COMMON_CIPHER


def test_a_refusal_of_a_certificate_that_was_not_sent(pki: Factory) -> None:
    # Some servers answer with bad_certificate when none came.
    configuration = client_configuration(pki, key_file=None, certificate_file=None)
    side = Side(client_context(configuration), server=False)
    side.step()
    side.receive(alert(42))
    side.step()
    assert side.problem is not None
    assert handshake_failure(side.problem, configuration).cause is causes.TLS_CLIENT_CERTIFICATE_MISSING


@pytest.mark.parametrize(
    ("code", "cause", "words"),
    [
        (10, causes.TLS_CERTIFICATE_EXPIRED, "the clock here says"),
        (18, causes.TLS_UNKNOWN_CA, "not in"),
        (23, causes.TLS_CERTIFICATE_REVOKED, "what the library says"),
        (3, causes.TLS_CRL_MISSING, "what the library says"),
        (12, causes.TLS_CRL_EXPIRED, "what the library says"),
        (62, causes.TLS_WRONG_HOST_NAME, "not for"),
        (26, causes.TLS_CERTIFICATE_PURPOSE, "serverAuth is needed"),
        (66, causes.TLS_CERTIFICATE_WEAK, "what the library says"),
        (24, causes.TLS_CERTIFICATE_INVALID, "(code 24)"),
    ],
)
def test_an_interpreter_that_tells_no_chain(pki: Factory, code: int, cause: causes.Cause, words: str) -> None:
    problem = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] words (_ssl.c:1)")
    problem.verify_code = code
    problem.verify_message = "what the library says"
    failure = handshake_failure(problem, client_configuration(pki))
    assert failure.cause is cause
    assert words in failure.detail
    assert failure.verify_code == code


def test_an_issuer_that_is_no_authority(pki: Factory) -> None:
    leaf = pki.root.issue("not-a-ca", pki.p256)
    below = Authority(pki.folder, "not-a-ca", pki.p256, leaf.certificate).issue("below-leaf", pki.rsa)
    configuration = client_configuration(pki)
    server = server_configuration(pki, **of(below, below.chain_pem(leaf)))
    failure = client_failure(connect(configuration, server), configuration)
    assert failure.cause is causes.TLS_CERTIFICATE_INVALID
    assert "CN=below-leaf" in failure.detail


def test_a_name_in_the_subject_alone(pki: Factory) -> None:
    nameless = pki.root.issue("nameless", pki.rsa, names=())
    configuration = client_configuration(pki, verify_host_name="pacs.example")
    failure = client_failure(connect(configuration, server_configuration(pki, **of(nameless))), configuration)
    assert failure.detail == 'it is for "nameless", not for "pacs.example"'


def test_chain_of_lists_names_each_issuer(pki: Factory) -> None:
    below = pki.intermediate.issue("below", pki.rsa)
    configuration = client_configuration(pki, crl_check="chain")
    server = server_configuration(pki, **of(below, below.chain_pem(pki.intermediate)))
    failure = client_failure(connect(configuration, server), configuration)
    assert failure.cause is causes.TLS_CRL_MISSING
    assert '"O=Test, CN=intermediate" and "O=Test, CN=root"' in failure.detail


def test_looks_like_tls() -> None:
    assert looks_like_tls(alert(40))
    assert not looks_like_tls(b"\x01\x00")
    assert not looks_like_tls(b"\x16")
