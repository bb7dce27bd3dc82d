"""Contexts do what the settings say, seen in handshakes, or say why they cannot."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from dcmecho import causes
from dcmecho.errors import LocalError, UsageError
from dcmecho.tls import TLSConfiguration, client_context, list_ciphers, server_context
from dcmecho.tls.der import SEQUENCE, Reader
from dcmecho.tls.dh import FFDHE2048
from dcmecho.tls.files import pem_blocks

from .factory import PASSWORD, Factory, Identity
from .pair import Pair, client_configuration, connect, server_configuration


def failure_of(action: Callable[[], object]) -> LocalError:
    with pytest.raises(LocalError) as caught:
        action()
    assert caught.value.step == causes.SETUP
    return caught.value


def cipher_of(pair: Pair) -> str:
    assert pair.stands, (pair.client.problem, pair.server.problem)
    cipher = pair.client.connection.cipher()
    assert cipher is not None
    return cipher[0]


# Keys and certificates


@pytest.mark.parametrize("password", [None, PASSWORD])
@pytest.mark.parametrize(("der", "traditional"), [(False, False), (False, True), (True, False), (True, True)])
def test_every_form_of_key(pki: Factory, der: bool, traditional: bool, password: str | None) -> None:
    if der and traditional and password:
        pytest.skip("there is no such form")
    form = "der" if der else "pem"
    configuration = server_configuration(
        pki,
        key_file=pki.server.key_file(der=der, traditional=traditional, password=password),
        certificate_file=pki.server.der_file if der else pki.server.pem,
        key_format=form,
        certificate_format=form,
        password=password,
    )
    assert connect(client_configuration(pki), configuration).stands


def test_the_password_is_asked_for_only_if_needed(pki: Factory) -> None:
    asked = []

    def ask() -> str:
        asked.append(1)
        return PASSWORD

    client_context(client_configuration(pki, password=ask))
    assert not asked
    client_context(client_configuration(pki, key_file=pki.client.key_file(password=PASSWORD), password=ask))
    assert asked == [1]


@pytest.mark.parametrize("password", [None, "", "wrong", lambda: b"wrong"])
@pytest.mark.parametrize("traditional", [False, True])
def test_wrong_or_missing_password(pki: Factory, password: object, traditional: bool) -> None:
    path = pki.client.key_file(password=PASSWORD, traditional=traditional)
    failure = failure_of(lambda: client_context(client_configuration(pki, key_file=path, password=password)))
    assert failure.cause is causes.TLS_KEY_PASSWORD
    assert failure.path == path


def test_key_of_another_certificate(pki: Factory) -> None:
    for other in (pki.server, pki.other):
        failure = failure_of(partial(client_context, client_configuration(pki, key_file=other.key_pem)))
        assert failure.cause is causes.TLS_KEY_MISMATCH
        assert pki.client.pem in failure.detail
        assert other.key_pem in failure.detail


def test_a_key_that_is_none(pki: Factory, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n")
    failure = failure_of(lambda: client_context(client_configuration(pki, key_file=str(path))))
    assert failure.cause is causes.INPUT_FILE_INVALID
    assert failure.path == str(path)


def test_a_certificate_that_is_none(pki: Factory, tmp_path: Path) -> None:
    path = tmp_path / "certificate.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
    failure = failure_of(lambda: client_context(client_configuration(pki, certificate_file=str(path))))
    assert failure.cause is causes.INPUT_FILE_INVALID
    assert failure.path == str(path)
    path.write_bytes(pki.client.text + b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
    failure = failure_of(lambda: client_context(client_configuration(pki, certificate_file=str(path))))
    assert failure.path == str(path)


@pytest.mark.parametrize("setting", ["key_file", "certificate_file", "dh_parameters"])
def test_missing_own_files(pki: Factory, setting: str) -> None:
    configuration = server_configuration(pki, **{setting: "/no/such/file"})
    failure = failure_of(lambda: server_context(configuration))
    assert failure.cause is causes.INPUT_FILE_UNREADABLE
    assert failure.path == "/no/such/file"


def test_intermediates_are_sent(pki: Factory) -> None:
    leaf = pki.intermediate.issue("below", pki.rsa)
    alone = server_configuration(pki, key_file=leaf.key_pem, certificate_file=leaf.pem)
    assert not connect(client_configuration(pki), alone).stands
    whole = server_configuration(pki, key_file=leaf.key_pem, certificate_file=leaf.chain_pem(pki.intermediate))
    assert connect(client_configuration(pki), whole).stands


def test_an_intermediate_alone_is_not_trusted(pki: Factory) -> None:
    leaf = pki.intermediate.issue("below", pki.rsa)
    server = server_configuration(pki, key_file=leaf.key_pem, certificate_file=leaf.pem)
    assert not connect(client_configuration(pki, ca_files=[(pki.intermediate.pem, "pem")]), server).stands


def own(identity: Identity) -> dict[str, object]:
    return {"key_file": identity.key_pem, "certificate_file": identity.pem}


@pytest.mark.parametrize(
    ("profile", "server_refuses", "client_refuses"),
    [("8996", True, False), ("8996-mod", True, True), ("bcp195-nd", False, False), ("bcp195", False, False)],
)
def test_own_short_rsa_key(pki: Factory, profile: str, server_refuses: bool, client_refuses: bool) -> None:
    weak = own(pki.root.issue("weak", pki.weak_rsa))
    for make, configuration, refuses in (
        (server_context, server_configuration(pki, profile=profile, **weak), server_refuses),
        (client_context, client_configuration(pki, profile=profile, **weak), client_refuses),
    ):
        warnings: list[str] = []
        if refuses:
            failure = failure_of(partial(make, configuration))
            assert failure.cause is causes.INPUT_FILE_INVALID
            assert "RSA key of 1024 bit" in failure.detail
        else:
            make(configuration, warnings)
            assert any("RSA key of 1024 bit" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("profile", "digest", "refused"),
    [
        ("8996", "sha1", False),
        ("8996", "md5", True),
        ("8996-mod", "sha1", True),
        ("bcp195-nd", "md5", False),
    ],
)
def test_own_certificate_with_an_old_hash(pki: Factory, profile: str, digest: str, refused: bool) -> None:
    configuration = server_configuration(
        pki, profile=profile, **own(pki.root.issue_hashed(f"own-{digest}", pki.rsa, digest))
    )
    warnings: list[str] = []
    if refused:
        assert failure_of(lambda: server_context(configuration)).cause is causes.INPUT_FILE_INVALID
    else:
        server_context(configuration, warnings)
        assert any("signed with" in warning for warning in warnings)


def test_an_issuer_below_the_level_of_the_profile(pki: Factory) -> None:
    weak = pki.root.issue_authority("weak-ca", pki.weak_rsa)
    leaf = weak.issue("below-weak", pki.rsa)
    configuration = client_configuration(
        pki, profile="8996-mod", key_file=leaf.key_pem, certificate_file=leaf.chain_pem(weak)
    )
    failure = failure_of(lambda: client_context(configuration))
    assert failure.cause is causes.INPUT_FILE_INVALID
    assert "too weak" in failure.detail


def test_warnings_about_our_own_dates(pki: Factory) -> None:
    told = {}
    for label, begin, end in (("old", -9, -2), ("ending", -9, 12), ("early", 2, 90), ("fine", -9, 90)):
        warnings: list[str] = []
        identity = pki.root.issue(label, pki.rsa, begin=begin, end=end)
        client_context(client_configuration(pki, **own(identity)), warnings)
        told[label] = warnings
    assert "expired on" in told["old"][0]
    assert "expires in 11 days" in told["ending"][0]
    assert "is not valid before" in told["early"][0]
    assert not told["fine"]


def test_elliptic_key_where_the_profile_has_no_suite_for_it(pki: Factory) -> None:
    elliptic = own(pki.root.issue("elliptic", pki.p256))
    failure = failure_of(lambda: server_context(server_configuration(pki, profile="aes", **elliptic)))
    assert failure.cause is causes.TLS_PROFILE_UNAVAILABLE
    assert "EC key" in failure.detail
    warnings: list[str] = []
    server = server_configuration(pki, profile="bcp195-nd", **elliptic)
    server_context(server, warnings)
    assert warnings == ["with an EC key, profile bcp195-nd serves clients of TLS 1.3 only"]
    assert connect(client_configuration(pki, profile="bcp195-nd"), server).stands


# Trust


def test_several_authorities_in_one_file_and_in_several(pki: Factory, tmp_path: Path) -> None:
    path = tmp_path / "all.pem"
    path.write_bytes(pki.other.text + pki.root.text)
    assert connect(client_configuration(pki, ca_files=[(str(path), "pem")]), server_configuration(pki)).stands
    two = [(pki.other.der_file, "der"), (pki.root.der_file, "der")]
    assert connect(client_configuration(pki, ca_files=two), server_configuration(pki)).stands


def test_a_missing_or_empty_authority_file_is_an_error(pki: Factory, tmp_path: Path) -> None:
    missing = client_configuration(pki, ca_files=[(pki.root.pem, "pem"), ("/no/such/ca.pem", "pem")])
    failure = failure_of(lambda: client_context(missing))
    assert failure.cause is causes.INPUT_FILE_UNREADABLE
    assert "CA certificate" in failure.detail
    empty = tmp_path / "empty.pem"
    empty.touch()
    for form in ("pem", "der"):
        configuration = client_configuration(pki, ca_files=[(str(empty), form)])
        assert failure_of(partial(client_context, configuration)).cause is causes.INPUT_FILE_INVALID
    empty.write_text("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
    configuration = client_configuration(pki, ca_files=[(str(empty), "pem")])
    assert failure_of(lambda: client_context(configuration)).cause is causes.INPUT_FILE_INVALID


def hashed(pki: Factory, folder: Path, *, der: bool) -> Path:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl command is not installed")
    folder.mkdir(exist_ok=True)
    made = subprocess.run(
        [openssl, "x509", "-in", pki.root.pem, "-noout", "-hash"], check=True, capture_output=True, text=True
    )
    path = folder / f"{made.stdout.strip()}.0"
    path.write_bytes(pki.root.der if der else pki.root.text)
    return folder


@pytest.mark.parametrize("form", ["pem", "der"])
def test_directory_of_authorities(pki: Factory, tmp_path: Path, form: str) -> None:
    folder = hashed(pki, tmp_path / "ca", der=form == "der")
    warnings: list[str] = []
    configuration = client_configuration(pki, ca_files=(), ca_directories=[(str(folder), form)])
    client_context(configuration, warnings)
    assert not warnings
    assert connect(configuration, server_configuration(pki)).stands


@pytest.mark.parametrize("form", ["pem", "der"])
def test_directory_without_hash_names(pki: Factory, tmp_path: Path, form: str) -> None:
    (tmp_path / "root.pem").write_bytes(pki.root.text)
    warnings: list[str] = []
    configuration = client_configuration(pki, ca_files=(), ca_directories=[(str(tmp_path), form)])
    client_context(configuration, warnings)
    assert "no certificate under its hash" in warnings[0]
    assert not connect(configuration, server_configuration(pki)).stands


def test_missing_directory(pki: Factory) -> None:
    configuration = client_configuration(pki, ca_directories=[("/no/such/directory", "pem")])
    assert failure_of(lambda: client_context(configuration)).cause is causes.INPUT_FILE_UNREADABLE


@pytest.mark.parametrize("suffix", ["r0"])
@pytest.mark.parametrize("form", ["pem", "der"])
def test_lists_in_a_directory(pki: Factory, tmp_path: Path, form: str, suffix: str) -> None:
    folder = hashed(pki, tmp_path / "ca", der=form == "der")
    (certificate,) = folder.iterdir()
    crl = Path(pki.root.crl(pki.server, der=form == "der"))
    certificate.with_suffix(f".{suffix}").write_bytes(crl.read_bytes())
    settings = {"ca_files": (), "ca_directories": [(str(folder), form)]}
    assert connect(client_configuration(pki, **settings), server_configuration(pki)).stands
    checked = connect(client_configuration(pki, crl_check="leaf", **settings), server_configuration(pki))
    assert getattr(checked.client.problem, "verify_code", None) == 23


def test_leaf_and_chain(pki: Factory) -> None:
    leaf = pki.intermediate.issue("below", pki.rsa)
    server = server_configuration(pki, key_file=leaf.key_pem, certificate_file=leaf.chain_pem(pki.intermediate))
    lists = [(pki.intermediate.crl(), "pem"), (pki.root.crl(pki.intermediate), "pem")]
    assert connect(client_configuration(pki, crl_files=lists), server).stands
    chain = connect(client_configuration(pki, crl_files=lists, crl_check="chain"), server)
    assert getattr(chain.client.problem, "verify_code", None) == 23
    good = [(pki.intermediate.crl(), "pem"), (pki.root.crl(), "pem")]
    assert connect(client_configuration(pki, crl_files=good, crl_check="chain"), server).stands
    missing = connect(client_configuration(pki, crl_files=good[:1], crl_check="chain"), server)
    assert getattr(missing.client.problem, "verify_code", None) == 3


@pytest.mark.parametrize("content", [b"", b"-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n"])
def test_a_list_that_cannot_be_loaded_is_an_error(pki: Factory, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.crl"
    path.write_bytes(content)
    for form in ("pem", "der"):
        configuration = client_configuration(pki, crl_files=[(str(path), form)])
        assert failure_of(partial(client_context, configuration)).cause is causes.INPUT_FILE_INVALID
    missing = client_configuration(pki, crl_files=[("/no/such/list", "pem")])
    assert failure_of(lambda: client_context(missing)).cause is causes.INPUT_FILE_UNREADABLE


def test_a_list_lends_no_trust(pki: Factory, tmp_path: Path) -> None:
    path = tmp_path / "list.pem"
    path.write_bytes(Path(pki.root.crl()).read_bytes() + pki.root.text)
    configuration = client_configuration(pki, ca_files=(), crl_files=[(str(path), "pem")])
    assert not connect(configuration, server_configuration(pki)).stands


def test_warning_without_any_authority(pki: Factory) -> None:
    warnings: list[str] = []
    client_context(client_configuration(pki, ca_files=()), warnings)
    assert "no CA certificate is given" in warnings[0]
    warnings.clear()
    client_context(client_configuration(pki, ca_files=(), peer_authentication="ignore"), warnings)
    assert not warnings


# Peer authentication and names


@pytest.mark.parametrize(
    ("mode", "with_certificate", "stranger", "stands"),
    [
        ("require", True, False, True),
        ("require", False, False, False),
        ("require", True, True, False),
        ("verify", False, False, True),
        ("verify", True, False, True),
        ("verify", True, True, False),
        ("ignore", False, False, True),
        ("ignore", True, True, True),
    ],
)
def test_what_a_server_wants(pki: Factory, mode: str, with_certificate: bool, stranger: bool, stands: bool) -> None:
    changes: dict[str, object] = {"key_file": None, "certificate_file": None}
    if with_certificate:
        changes = own(pki.other.issue("stranger", pki.rsa)) if stranger else {}
    pair = connect(client_configuration(pki, **changes), server_configuration(pki, peer_authentication=mode))
    assert (pair.server.done and pair.client_reads() is None) == stands
    if stands:
        sent = pair.server.connection.getpeercert(binary_form=True)
        assert (sent is not None) == (with_certificate and mode != "ignore")


@pytest.mark.parametrize(("mode", "stands"), [("require", False), ("verify", False), ("ignore", True)])
def test_what_a_client_wants(pki: Factory, mode: str, stands: bool) -> None:
    stranger = pki.other.issue("stranger", pki.rsa, usages=("serverAuth",))
    client = client_configuration(pki, peer_authentication=mode)
    assert connect(client, server_configuration(pki, **own(stranger))).stands == stands


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_verified_host_name(pki: Factory, name: str) -> None:
    assert connect(client_configuration(pki, verify_host_name=name), server_configuration(pki)).stands


def test_no_name_is_compared_unless_asked(pki: Factory) -> None:
    assert connect(client_configuration(pki, server_name="elsewhere.example"), server_configuration(pki)).stands


@pytest.mark.parametrize(
    ("asked", "stands"), [("pacs.example", True), ("PACS.Example", True), (None, True), ("other.example", False)]
)
def test_expected_server_name(pki: Factory, asked: str | None, stands: bool) -> None:
    server = server_configuration(pki, expected_server_name="pacs.example")
    assert connect(client_configuration(pki, server_name=asked), server).stands == stands


def test_application_protocol(pki: Factory) -> None:
    pair = connect(client_configuration(pki), server_configuration(pki))
    assert pair.client.connection.selected_alpn_protocol() == "dicom"
    pair = connect(client_configuration(pki, alpn=False), server_configuration(pki))
    assert pair.stands
    assert pair.server.connection.selected_alpn_protocol() is None


def test_settings_of_the_other_side_are_refused(pki: Factory) -> None:
    with pytest.raises(UsageError, match="only a server"):
        client_context(client_configuration(pki, expected_server_name="a"))
    for changes in ({"server_name": "a"}, {"verify_host_name": "a"}):
        with pytest.raises(UsageError, match="only a client"):
            server_context(server_configuration(pki, **changes))
    with pytest.raises(UsageError, match="needs a private key"):
        server_context(TLSConfiguration())


# Profiles and suites


def test_a_profile_the_library_lacks_is_one_clear_error() -> None:
    supported = [name for name, _, _ in list_ciphers()]
    if "TLS_RSA_WITH_3DES_EDE_CBC_SHA" in supported:
        pytest.skip("this TLS library has 3DES")
    failure = failure_of(lambda: client_context(TLSConfiguration(profile="basic")))
    assert failure.cause is causes.TLS_PROFILE_UNAVAILABLE
    assert "profile basic (+pb)" in failure.detail
    assert " ".join(ssl.OPENSSL_VERSION.split()[:2]) in failure.detail
    warnings: list[str] = []
    client_context(TLSConfiguration(profile="aes", peer_authentication="ignore"), warnings)
    assert "3DES" in warnings[0]
    asked = TLSConfiguration(profile="bcp195", ciphers=["DES-CBC3-SHA"])
    assert failure_of(lambda: client_context(asked)).cause is causes.TLS_PROFILE_UNAVAILABLE


def test_strict_takes_away_what_is_too_weak_for_it() -> None:
    failure = failure_of(lambda: client_context(TLSConfiguration(profile="null", strict=True)))
    assert failure.cause is causes.TLS_PROFILE_UNAVAILABLE
    assert "strict" in failure.detail


def test_a_missing_version_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dcmecho.tls.context._HAS_VERSION", {0x0301: False, 0x0302: True, 0x0303: True, 0x0304: True})
    failure = failure_of(lambda: client_context(TLSConfiguration(profile="bcp195")))
    assert "TLS 1.0" in failure.detail


@pytest.mark.parametrize(
    ("profile", "suite"),
    [
        ("bcp195-ex", "ECDHE-RSA-AES256-GCM-SHA384"),
        ("aes", "AES128-SHA"),
        ("null", "NULL-SHA"),
    ],
)
def test_the_server_prefers_strength(pki: Factory, profile: str, suite: str) -> None:
    pair = connect(client_configuration(pki, profile=profile), server_configuration(pki, profile=profile))
    assert cipher_of(pair) == suite


def test_an_added_suite_is_used(pki: Factory) -> None:
    added = {"profile": "aes", "ciphers": ["TLS_RSA_WITH_AES_256_CBC_SHA256"]}
    assert cipher_of(connect(client_configuration(pki, **added), server_configuration(pki, **added))) == "AES256-SHA256"


def test_tls_1_0_works_where_the_profile_has_it(pki: Factory) -> None:
    client = client_context(client_configuration(pki, profile="aes"))
    with pytest.warns(DeprecationWarning, match="TLSv1 is deprecated"):
        client.maximum_version = ssl.TLSVersion.TLSv1
    pair = Pair(client, server_context(server_configuration(pki, profile="bcp195")))
    assert pair.stands, pair.client.problem
    assert pair.client.connection.version() == "TLSv1"


def test_list_of_suites() -> None:
    listed = {name: (versions, profiles) for name, versions, profiles in list_ciphers()}
    assert listed["TLS_RSA_WITH_AES_128_CBC_SHA"] == ("TLS 1.0-1.2", ("bcp195", "aes"))
    assert listed["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"][0] == "TLS 1.2"
    assert "TLS_AES_128_GCM_SHA256" not in listed


# Ephemeral Diffie-Hellman


def test_built_in_group_is_that_of_rfc_7919() -> None:
    # A.1: p = 2^2048 - 2^1984 + {[2^1918 * e] + 560316} * 2^64 - 1, with e the base of the natural logarithm.
    scaled, term, divisor = 0, 1 << (1918 + 128), 0
    while term:
        scaled += term
        divisor += 1
        term //= divisor
    prime = 2**2048 - 2**1984 + ((scaled >> 128) + 560316) * 2**64 - 1
    (block,) = pem_blocks(FFDHE2048, "", "")
    numbers = Reader(block.der).nested(SEQUENCE)
    assert numbers.integer() == prime
    assert numbers.integer() == 2


def only_dhe(configuration: TLSConfiguration) -> ssl.SSLContext:
    context = client_context(configuration)
    context.set_ciphers("DHE-RSA-AES256-GCM-SHA384:@SECLEVEL=0")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def test_dhe_with_the_built_in_group(pki: Factory) -> None:
    configuration = client_configuration(pki, profile="bcp195-nd")
    pair = Pair(only_dhe(configuration), server_context(server_configuration(pki, profile="bcp195-nd")))
    assert cipher_of(pair) == "DHE-RSA-AES256-GCM-SHA384"


# 1024 bits, from RFC 2409 6.2: too short, which is the point.
SHORT_GROUP = (
    "-----BEGIN DH PARAMETERS-----\n"
    "MIGHAoGBAP//////////yQ/aoiFowjTExmKLgNwc0SkCTgiKZ8x0Agu+pjsTmyJR\n"
    "Sgh5jjQE3e+VGbPNOkMbMCsKbfJfFDdP4TVtbVHCReSFtXZiXn7G9ExC6aY37WsL\n"
    "/1y29Aa37e44a/taiZ+lrp8kEXxLH+ZJKGZR7OZTgf//////////AgEC\n"
    "-----END DH PARAMETERS-----\n"
)


def test_own_group(pki: Factory, tmp_path: Path) -> None:
    path = tmp_path / "dh.pem"
    path.write_text(SHORT_GROUP)
    warnings: list[str] = []
    server = server_configuration(pki, profile="bcp195-nd", dh_parameters=str(path))
    context = server_context(server, warnings)
    assert "a group of 1024 bit" in warnings[0]
    assert Pair(only_dhe(client_configuration(pki, profile="bcp195-nd")), context).stands
    strict = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    strict.check_hostname = False
    strict.load_verify_locations(pki.root.pem)
    strict.load_cert_chain(pki.client.pem, pki.client.key_pem)
    strict.set_ciphers("DHE-RSA-AES256-GCM-SHA384:@SECLEVEL=2")
    strict.maximum_version = ssl.TLSVersion.TLSv1_2
    # A client that minds sees that it is this group and not the built-in one.
    assert "DH_KEY_TOO_SMALL" in str(Pair(strict, context).client.problem)
    warnings.clear()
    ignored = server_context(server_configuration(pki, profile="bcp195-ex", dh_parameters=str(path)), warnings)
    assert "are not used" in warnings[-1]
    assert Pair(strict, ignored).stands
    refused = server_configuration(pki, profile="8996-mod", dh_parameters=str(path))
    assert failure_of(lambda: server_context(refused)).cause is causes.INPUT_FILE_INVALID


@pytest.mark.parametrize(
    "content", ["", "-----BEGIN DH PARAMETERS-----\nMAA=\n-----END DH PARAMETERS-----\n", SHORT_GROUP[:-90]]
)
def test_a_group_that_is_none(pki: Factory, tmp_path: Path, content: str) -> None:
    path = tmp_path / "dh.pem"
    path.write_text(content)
    server = server_configuration(pki, profile="bcp195-nd", dh_parameters=str(path))
    assert failure_of(lambda: server_context(server)).cause is causes.INPUT_FILE_INVALID
    client = client_configuration(pki, dh_parameters=str(path))
    assert failure_of(lambda: client_context(client)).cause is causes.INPUT_FILE_INVALID


def test_a_group_below_the_strict_level(tmp_path: Path, pki: Factory) -> None:
    path = tmp_path / "dh.pem"
    path.write_text(SHORT_GROUP)
    server = server_configuration(pki, profile="bcp195-nd", dh_parameters=str(path), strict=True)
    failure = failure_of(lambda: server_context(server))
    assert failure.cause is causes.INPUT_FILE_INVALID
    assert "dh key too small" in failure.detail


# The server over time


def test_a_new_context_sees_new_files_and_the_old_one_does_not(pki: Factory, tmp_path: Path) -> None:
    certificate, key, crl = tmp_path / "c.pem", tmp_path / "k.pem", tmp_path / "crl.pem"

    def install(identity: Identity, revocations: str) -> None:
        certificate.write_bytes(identity.text)
        key.write_bytes(identity.key_bytes())
        crl.write_bytes(Path(revocations).read_bytes())

    install(pki.server, pki.root.crl())
    configuration = server_configuration(
        pki, key_file=str(key), certificate_file=str(certificate), crl_files=[(str(crl), "pem")]
    )
    before = server_context(configuration)
    renewed = pki.root.issue("renewed", pki.rsa)
    install(renewed, pki.root.crl(pki.client))
    after = server_context(configuration)
    client = client_context(client_configuration(pki))
    old, new = Pair(client, before), Pair(client, after)
    assert old.stands
    assert old.client.connection.getpeercert(binary_form=True) == pki.server.der
    assert new.client.connection.getpeercert(binary_form=True) == renewed.der
    assert getattr(new.server.problem, "verify_code", None) == 23


def test_nobody_may_renegotiate(pki: Factory) -> None:
    for context in (client_context(client_configuration(pki)), server_context(server_configuration(pki))):
        assert context.options & ssl.OP_NO_RENEGOTIATION


def test_no_tickets_over_tls_1_3(pki: Factory) -> None:
    pair = connect(client_configuration(pki), server_configuration(pki))
    assert pair.stands
    assert pair.client.connection.version() == "TLSv1.3"
    pair.client_reads()
    assert pair.client.connection.session is None or not pair.client.connection.session.has_ticket
