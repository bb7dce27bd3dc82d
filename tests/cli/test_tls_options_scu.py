"""echoscu with TLS from end to end: each option by its effect on the wire."""

from __future__ import annotations

import ssl
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dcmecho.cli.echoscu import main
from dcmecho.tls.suites import SUITES
from programs import LOOPBACK, FakePeer, Outcome, call, echo_peer
from tls.factory import PASSWORD
from tls.loopback import (
    HelloPeer,
    TLSPeer,
    client_words,
    dh_group,
    failure_of,
    hashed,
    json_of,
    open_context,
    open_peer,
    serving,
    texts,
)

if TYPE_CHECKING:
    from tls.factory import Factory

Echoscu = Callable[..., Outcome]


@pytest.fixture
def echoscu(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Echoscu:
    """Run echoscu in this process."""
    monkeypatch.delenv("DCMDICTPATH", raising=False)
    return lambda *words: call(main, capsys, *words)


# With and without a certificate of ours


def test_authenticated_tls(pki: Factory, echoscu: Echoscu) -> None:
    with open_peer(pki, trust=pki.root.pem) as peer:
        outcome = echoscu(*client_words(pki), LOOPBACK, peer.port)
    assert (outcome.code, outcome.output, outcome.errors) == (0, "", "")
    assert peer.seen[0].certificate == pki.client.der
    assert peer.seen[0].alpn is None


def test_anonymous_tls_sends_no_certificate_and_verifies_the_peers(pki: Factory, echoscu: Echoscu) -> None:
    with serving(pki, peer_authentication="verify") as server:
        assert echoscu("+tla", "+cf", pki.root.pem, LOOPBACK, server.port).code == 0
        outcome = echoscu("+tla", "--json", LOOPBACK, server.port)
    assert outcome.code == 1
    assert failure_of(outcome) == ("tls-unknown-ca", "tls", "local")
    assert "no CA certificate is given" in outcome.errors


def test_the_rightmost_of_plain_and_tls_counts(pki: Factory, echoscu: Echoscu) -> None:
    with FakePeer(echo_peer()) as plain:
        assert echoscu("+tla", "-tls", LOOPBACK, plain.port).code == 0
        assert echoscu(*client_words(pki)[:3], "--disable-tls", LOOPBACK, plain.port).code == 0
    with open_peer(pki) as peer:
        assert echoscu("-tls", *client_words(pki), LOOPBACK, peer.port).code == 0


def test_anonymous_after_authenticated_sends_no_certificate(pki: Factory, echoscu: Echoscu) -> None:
    with serving(pki) as server:
        outcome = echoscu("--json", *client_words(pki), "+tla", LOOPBACK, server.port)
        assert failure_of(outcome)[0] == "tls-client-certificate-missing"
        outcome = echoscu("+tla", "--enable-tls", *client_words(pki)[1:], LOOPBACK, server.port)
        assert outcome.code == 0


# Files


FORMS = {
    # Der, traditional, encrypted
    "pem": (False, False, False),
    "pem traditional": (False, True, False),
    "pem encrypted": (False, False, True),
    "pem traditional encrypted": (False, True, True),
    "der": (True, False, False),
    "der traditional": (True, True, False),
    "der encrypted": (True, False, True),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_key(pki: Factory, echoscu: Echoscu, form: str) -> None:
    der, traditional, encrypted = FORMS[form]
    key = pki.client.key_file(der=der, traditional=traditional, password=PASSWORD if encrypted else None)
    certificate = pki.client.der_file if der else pki.client.pem
    words = ["-der" if der else "-pem", "+tls", key, certificate, *(["+pw", PASSWORD] if encrypted else [])]
    with open_peer(pki, trust=pki.root.pem) as peer:
        assert echoscu(*words, "-pem", "+cf", pki.root.pem, LOOPBACK, peer.port).code == 0
    assert peer.seen[0].certificate == pki.client.der


def test_the_format_is_that_of_the_files_that_follow(pki: Factory, echoscu: Echoscu) -> None:
    words = ["+cf", pki.root.pem, "-der", "+tls", pki.client.key_file(der=True), pki.client.der_file]
    with serving(pki) as server:
        crl = ["+crl", pki.root.crl(der=True), "--pem-keys", "+crl", pki.other.crl()]
        assert echoscu(*words, *crl, LOOPBACK, server.port).code == 0
        words = ["--der-keys", "+cf", pki.root.der_file, "-pem", *client_words(pki)[:3]]
        assert echoscu(*words, LOOPBACK, server.port).code == 0


def test_a_line_written_for_dcmtk_names_the_format_after_the_files(pki: Factory, echoscu: Echoscu) -> None:
    words = ["+tls", pki.client.key_file(der=True), pki.client.der_file, "+cf", pki.root.der_file]
    with serving(pki) as server:
        assert echoscu(*words, "-der", LOOPBACK, server.port).code == 0
        outcome = echoscu(*words, LOOPBACK, server.port)
    assert outcome.code == 22
    assert "is DER, but PEM is expected here (-pem)" in outcome.errors


# Trust and revocation


@pytest.mark.parametrize("der", [False, True])
def test_directory_of_authorities(pki: Factory, echoscu: Echoscu, tmp_path: Path, der: bool) -> None:
    words = [*client_words(pki)[:3], "-der" if der else "-pem", "+cd", hashed(pki, tmp_path, der=der)]
    with serving(pki) as server:
        assert echoscu(*words, LOOPBACK, server.port).code == 0


def test_a_directory_on_a_line_written_for_dcmtk(pki: Factory, echoscu: Echoscu, tmp_path: Path) -> None:
    words = ["+tls", pki.client.key_file(der=True), pki.client.der_file, "+cd", hashed(pki, tmp_path, der=True)]
    with serving(pki) as server:
        assert echoscu(*words, "-der", LOOPBACK, server.port).code == 0


@pytest.mark.parametrize("der", [False, True])
def test_revocation_list_in_a_directory(pki: Factory, echoscu: Echoscu, tmp_path: Path, der: bool) -> None:
    folder = hashed(pki, tmp_path, der=der, crl=pki.root.crl(pki.server, der=der))
    words = [*client_words(pki)[:3], "-der" if der else "-pem", "--add-cert-dir", folder]
    with serving(pki) as server:
        assert echoscu(*words, LOOPBACK, server.port).code == 0
        outcome = echoscu("--json", *words, "--enable-crl-vfy", LOOPBACK, server.port)
    assert failure_of(outcome)[0] == "tls-certificate-revoked"


def test_a_directory_without_hash_names_is_told(pki: Factory, echoscu: Echoscu, tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_bytes(pki.root.text)
    with serving(pki) as server:
        outcome = echoscu("-v", *client_words(pki), "+cd", tmp_path, LOOPBACK, server.port)
        assert outcome.code == 0
        assert "has no certificate under its hash" in "".join(texts(outcome, "W"))
        outcome = echoscu(*client_words(pki)[:3], "+cd", tmp_path, LOOPBACK, server.port)
    assert outcome.code == 1


def test_authorities_collect(pki: Factory, echoscu: Echoscu) -> None:
    words = [*client_words(pki)[:3], "+cf", pki.other.pem, "--add-cert-file", pki.root.pem]
    with serving(pki) as server:
        assert echoscu(*words, LOOPBACK, server.port).code == 0
        assert echoscu(*words[:-2], LOOPBACK, server.port).code == 1


@pytest.mark.parametrize("der", [False, True])
def test_revocation_of_leaf_and_chain(pki: Factory, echoscu: Echoscu, der: bool) -> None:
    """A revoked intermediate: the leaf alone passes, the chain does not."""
    below = pki.intermediate.issue("below", pki.rsa)
    lists = ["-der" if der else "-pem", "+crl", pki.root.crl(pki.intermediate, der=der)]
    lists += ["--add-crl-file", pki.intermediate.crl(der=der)]
    words = [*client_words(pki), *lists]
    context = open_context(below)
    context.load_cert_chain(below.chain_pem(pki.intermediate), below.key_pem)
    with TLSPeer(context) as peer:
        assert echoscu(*words, LOOPBACK, peer.port).code == 0
        outcome = echoscu("--json", *words, "+cra", LOOPBACK, peer.port)
        assert failure_of(outcome)[0] == "tls-certificate-revoked"
        outcome = echoscu("--json", *client_words(pki), "--enable-crl-all", LOOPBACK, peer.port)
    assert failure_of(outcome)[0] == "tls-crl-missing"


# Profiles and cipher suites

OPTIONS = {
    "8996": "+pg",
    "8996-mod": "+pm",
    "bcp195-nd": "+py",
    "bcp195": "+px",
    "bcp195-ex": "+pz",
    "aes": "+pa",
    "null": "+pn",
}
V = ssl.TLSVersion

# Profile, the newest version of a peer that takes everything: what is agreed on, or the cause why nothing is. (A client
# whose newest version is TLS 1.2 does not say what its oldest is; the peer only finds no suite for an older one.)
AGREED: list[tuple[str, V, tuple[str, str] | str]] = [
    ("8996", V.TLSv1_3, ("TLSv1.3", "TLS_AES_256_GCM_SHA384")),
    ("8996", V.TLSv1_2, ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256")),
    ("8996", V.TLSv1_1, "tls-no-common-version"),
    ("8996-mod", V.TLSv1_3, ("TLSv1.3", "TLS_AES_256_GCM_SHA384")),
    ("8996-mod", V.TLSv1_2, ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256")),
    ("8996-mod", V.TLSv1_1, "tls-no-common-version"),
    ("bcp195-nd", V.TLSv1_3, ("TLSv1.3", "TLS_AES_256_GCM_SHA384")),
    ("bcp195-nd", V.TLSv1_2, ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256")),
    ("bcp195-nd", V.TLSv1_1, "tls-no-common-version"),
    ("bcp195", V.TLSv1_3, ("TLSv1.3", "TLS_AES_256_GCM_SHA384")),
    ("bcp195", V.TLSv1_2, ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256")),
    ("bcp195", V.TLSv1, ("TLSv1", "AES128-SHA")),
    ("bcp195-ex", V.TLSv1_3, ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256")),
    ("bcp195-ex", V.TLSv1_1, "tls-no-common-cipher"),
    ("aes", V.TLSv1_3, ("TLSv1.2", "AES128-SHA")),
    ("aes", V.TLSv1, ("TLSv1", "AES128-SHA")),
    ("null", V.TLSv1_3, ("TLSv1.2", "NULL-SHA")),
    ("null", V.TLSv1, ("TLSv1", "NULL-SHA")),
]


@pytest.mark.parametrize(("profile", "newest", "agreed"), AGREED)
def test_version_and_cipher_of_each_profile(
    pki: Factory, echoscu: Echoscu, profile: str, newest: V, agreed: tuple[str, str] | str
) -> None:
    with open_peer(pki, maximum=newest) as peer:
        outcome = echoscu("--json", *client_words(pki), OPTIONS[profile], LOOPBACK, peer.port)
    if isinstance(agreed, str):
        assert outcome.code == 1
        assert failure_of(outcome) == (agreed, "tls", "peer")
        assert f"profile {profile} has " in outcome.errors
    else:
        assert outcome.code == 0
        assert (peer.seen[0].version, peer.seen[0].cipher) == agreed
        assert json_of(outcome)["tls"]["protocol"] == agreed[0]


OFFERED = {
    # IANA names in the order of the hello, TLS 1.3 apart; in short: E ECDHE, D DHE, R RSA, E ECDSA.
    "8996": "ER128 EE128 ER256 EE256",
    "8996-mod": "EE128CCM EE128CCM8 ER128 EE128 ERCHACHA EECHACHA EE256CCM EE256CCM8 ER256 EE256",
    "bcp195-nd": "ER128 DR128 ER256 DR256",
    "bcp195": "ER128 DR128 ER256 DR256 AES",
    "bcp195-ex": "ER128 DR128 ER256 DR256 EE256 EE128",
    "aes": "AES",
    "null": "NULL",
}
SHORT = {
    "ER128": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "ER256": "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "EE128": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "EE256": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "DR128": "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
    "DR256": "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
    "EE128CCM": "TLS_ECDHE_ECDSA_WITH_AES_128_CCM",
    "EE128CCM8": "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
    "EE256CCM": "TLS_ECDHE_ECDSA_WITH_AES_256_CCM",
    "EE256CCM8": "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8",
    "ERCHACHA": "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "EECHACHA": "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "AES": "TLS_RSA_WITH_AES_128_CBC_SHA",
    "NULL": "TLS_RSA_WITH_NULL_SHA",
}
IANA = {suite.code: suite.iana for suite in SUITES}


def offered(echoscu: Echoscu, *words: object) -> list[str]:
    """Return the IANA names of the suites up to TLS 1.2 in the hello of a run with these words."""
    with HelloPeer() as peer:
        assert echoscu("-to", "0.1", *words, LOOPBACK, peer.port).code == 1
        return [IANA[code] for code in peer.suites if code in IANA]


@pytest.mark.parametrize("profile", OFFERED)
def test_suites_of_each_profile_in_their_order(pki: Factory, echoscu: Echoscu, profile: str) -> None:
    found = offered(echoscu, "+tla", f"--profile-{profile}", "+cf", pki.root.pem)
    assert found == [SHORT[name] for name in OFFERED[profile].split()]


@pytest.mark.parametrize("name", ["TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"], ids=["IANA", "OpenSSL"])
def test_an_added_suite_is_offered_last(pki: Factory, echoscu: Echoscu, name: str) -> None:
    found = offered(echoscu, "+tla", "+cf", pki.root.pem, "+cs", name)
    assert found == [*[SHORT[each] for each in OFFERED["8996"].split()], "TLS_RSA_WITH_AES_256_GCM_SHA384"]
    with open_peer(pki, ciphers="AES256-GCM-SHA384", maximum=V.TLSv1_2) as peer:
        words = [*client_words(pki), "--cipher", name, LOOPBACK, peer.port]
        outcome = echoscu(*words)
    assert outcome.code == 0
    assert peer.seen[0].cipher == "AES256-GCM-SHA384"
    assert "no forward secrecy" in "".join(texts(outcome, "W"))


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["+cs", "TLS_NO_SUCH_SUITE"], 'no cipher suite is called "TLS_NO_SUCH_SUITE"; +cc lists them'),
        (["+cs", "TLS_AES_128_GCM_SHA256"], "belongs to TLS 1.3"),
        (["+cs", "NULL-SHA"], "does not encrypt"),
        (["+cs", "AES128-SHA"], "authenticates with SHA-1"),
        (["+pz", "+cs", "AES128-GCM-SHA256"], "no cipher suite can be added to the profiles +pm and +pz"),
        (["--request-sni", "a..b"], "is not a host name"),
        (["--request-sni", "10.0.0.1"], "is an address"),
        (["--request-sni", "a.example", "--no-sni"], "contradicts --request-sni"),
        (["--request-sni", "a.example", "--verify-hostname", "b.example"], "must be the same"),
        (["-ic", "--verify-hostname", "a.example"], "cannot be verified when the peer's certificate is ignored"),
        (["+ws"], "needs +rs (--seed)"),
        (["--expiry-warning", "-1"], "option --expiry-warning: "),
        (["--expect-sni", "x"], 'unknown option "--expect-sni"'),
    ],
)
def test_what_makes_no_sense_is_one_line_and_1(pki: Factory, echoscu: Echoscu, words: list[str], problem: str) -> None:
    with FakePeer(echo_peer()) as peer:
        outcome = echoscu(*client_words(pki), *words, LOOPBACK, peer.port)
    assert outcome.code == 1
    assert problem in outcome.lines[0]
    assert "Traceback" not in outcome.errors
    assert peer.conversations == []


@pytest.mark.parametrize("words", [[], ["+tls", "KEY", "CERT"]])
def test_a_profile_that_the_library_lacks(pki: Factory, echoscu: Echoscu, words: list[str]) -> None:
    """No usual build of OpenSSL 3 has 3DES: one error, and nothing is sent."""
    words = ["+tls", pki.client.key_pem, pki.client.pem] if words else ["+tla"]
    with FakePeer(echo_peer()) as peer:
        outcome = echoscu("--json", *words, "+cf", pki.root.pem, "+pb", LOOPBACK, peer.port)
    assert outcome.code == 1
    assert len(outcome.lines) == 1
    assert failure_of(outcome) == ("tls-profile-unavailable", "setup", "local")
    assert "profile basic (+pb) with TLS_RSA_WITH_3DES_EDE_CBC_SHA, which OpenSSL " in outcome.lines[0]
    assert peer.conversations == []


def test_what_the_library_lacks_of_a_profile_is_told(pki: Factory, echoscu: Echoscu) -> None:
    with open_peer(pki) as peer:
        outcome = echoscu(*client_words(pki), "+pa", LOOPBACK, peer.port)
    assert outcome.code == 0
    (warning,) = texts(outcome, "W")
    assert warning.startswith("TLS_RSA_WITH_3DES_EDE_CBC_SHA of profile aes is left out: OpenSSL ")


def test_lists_are_printed_whatever_else_is_asked(echoscu: Echoscu) -> None:
    outcome = echoscu("+ph", "+tls", "no", "such")
    assert (outcome.code, outcome.errors) == (0, "")
    for name, option in OPTIONS.items():
        assert f"{option}  --profile-{name}" in outcome.output
    assert outcome.output.count("(default)") == 1
    assert "(default)" in next(line for line in outcome.output.splitlines() if "+pg" in line)
    outcome = echoscu("--list-ciphers", "nobody")
    assert (outcome.code, outcome.errors) == (0, "")
    assert "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256  (TLS 1.2: 8996, " in outcome.output
    assert "3DES" not in outcome.output


@pytest.fixture(scope="module")
def group_3072(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Diffie-Hellman group of 3072 bit (that of RFC 7919)."""
    return dh_group(3072, tmp_path_factory.mktemp("dh") / "group.pem")


def test_a_dh_file_is_only_a_servers_but_it_is_read(pki: Factory, echoscu: Echoscu, group_3072: Path) -> None:
    with serving(pki) as server:
        assert echoscu(*client_words(pki), "+dp", group_3072, LOOPBACK, server.port).code == 0
        outcome = echoscu(*client_words(pki), "--dhparam", pki.root.pem, LOOPBACK, server.port)
    assert outcome.code == 22
    assert "holds no DH parameters" in outcome.errors


# Names


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        ([], None),
        (["--no-sni"], None),
        (["--request-sni", "pacs.example"], "pacs.example"),
        (["--verify-hostname", "localhost"], "localhost"),
        (["--verify-hostname", "127.0.0.1"], None),
        (["--verify-hostname", "localhost", "--request-sni", "localhost"], "localhost"),
    ],
)
def test_the_server_name_that_is_sent(pki: Factory, echoscu: Echoscu, words: list[str], sent: str | None) -> None:
    with open_peer(pki) as peer:
        assert echoscu(*client_words(pki), *words, LOOPBACK, peer.port).code == 0
    assert peer.seen[0].server_name == sent


@pytest.mark.parametrize("name", ["pacs.example", "127.0.0.2", "host", "LOCALHOST.example"])
def test_a_wrong_host_name(pki: Factory, echoscu: Echoscu, name: str) -> None:
    with open_peer(pki) as peer:
        outcome = echoscu("--json", *client_words(pki), "--verify-hostname", name, LOOPBACK, peer.port)
    assert outcome.code == 1
    assert failure_of(outcome) == ("tls-wrong-host-name", "tls", "peer")
    assert f'it is for "localhost", "127.0.0.1", not for "{name}"' in outcome.errors


def test_a_server_that_does_not_know_the_name(pki: Factory, echoscu: Echoscu) -> None:
    with serving(pki, expected_server_name="pacs.example") as server:
        assert echoscu(*client_words(pki), "--request-sni", "PACS.example", LOOPBACK, server.port).code == 0
        outcome = echoscu("--json", *client_words(pki), "--request-sni", "other.example", LOOPBACK, server.port)
    assert outcome.code == 1
    assert failure_of(outcome) == ("tls-server-name-refused", "tls", "peer")
    assert '"other.example". Hint: check --request-sni' in outcome.errors


# Seeds


def test_seed_files(pki: Factory, echoscu: Echoscu, tmp_path: Path) -> None:
    seed, written = tmp_path / "seed", tmp_path / "written"
    seed.write_bytes(b"some randomness")
    with serving(pki) as server:
        words = [*client_words(pki), "+rs", seed]
        assert echoscu(*words, LOOPBACK, server.port).code == 0
        assert seed.read_bytes() == b"some randomness"
        assert echoscu(*words, "+wf", written, LOOPBACK, server.port).code == 0
        assert (len(written.read_bytes()), seed.read_bytes()) == (1024, b"some randomness")
        assert stat.S_IMODE(written.stat().st_mode) == 0o600
        assert echoscu(*words, "--write-seed", LOOPBACK, server.port).code == 0
    assert len(seed.read_bytes()) == 1024
    assert stat.S_IMODE(seed.stat().st_mode) == 0o600


def test_a_seed_that_cannot_be_written_is_only_a_warning(pki: Factory, echoscu: Echoscu, tmp_path: Path) -> None:
    seed = tmp_path / "seed"
    seed.write_bytes(b"some randomness")
    with serving(pki) as server:
        words = [*client_words(pki), "--seed", seed, "--write-seed-file", tmp_path / "no" / "such"]
        outcome = echoscu(*words, LOOPBACK, server.port)
    assert outcome.code == 0
    (warning,) = texts(outcome, "W")
    assert str(tmp_path / "no" / "such") in warning


# The peer's certificate


def test_ignoring_the_peers_certificate(pki: Factory, echoscu: Echoscu) -> None:
    foreign = pki.other.issue("foreign", pki.rsa, begin=-9, end=-1)
    with TLSPeer(open_context(foreign)) as peer:
        assert echoscu(*client_words(pki), LOOPBACK, peer.port).code == 1
        assert echoscu(*client_words(pki), "-ic", "--verify-peer-cert", LOOPBACK, peer.port).code == 1
        assert echoscu(*client_words(pki), "-ic", "-rc", LOOPBACK, peer.port).code == 1
        outcome = echoscu("--json", *client_words(pki)[:3], "--ignore-peer-cert", LOOPBACK, peer.port)
    assert outcome.code == 0
    assert json_of(outcome)["tls"]["certificate"]["subject"] == "O=Test, CN=foreign"
    assert "expired 1 day ago" in "".join(texts(outcome, "W"))


@pytest.mark.parametrize(
    ("words", "warned"), [([], True), (["--expiry-warning", "5"], False), (["--expiry-warning", "0"], False)]
)
def test_warning_of_a_certificate_that_ends_soon(
    pki: Factory, echoscu: Echoscu, words: list[str], warned: bool
) -> None:
    soon = pki.root.issue("soon", pki.rsa, end=10)
    with TLSPeer(open_context(soon)) as peer:
        outcome = echoscu(*client_words(pki), *words, LOOPBACK, peer.port)
    assert outcome.code == 0
    assert [
        line.startswith('the peer\'s certificate "O=Test, CN=soon" expires in ') for line in texts(outcome, "W")
    ] == [True] * warned
    assert len(outcome.lines) == warned


def test_warning_of_our_own_certificate_that_ends_soon(pki: Factory, echoscu: Echoscu) -> None:
    ours = pki.root.issue("ours-soon", pki.other_rsa, end=10)
    with serving(pki) as server:
        words = ["+tls", ours.key_pem, ours.pem, "+cf", pki.root.pem]
        outcome = echoscu(*words, LOOPBACK, server.port)
        assert echoscu(*words, "--expiry-warning", "9", LOOPBACK, server.port).errors == ""
    (warning,) = texts(outcome, "W")
    assert "our certificate" in warning
    assert "expires in 9 days" in warning


def test_a_certificate_that_ends_within_more_days(pki: Factory, echoscu: Echoscu) -> None:
    with serving(pki) as server:
        outcome = echoscu("--expiry-warning", "400", *client_words(pki), LOOPBACK, server.port)
    assert any('the peer\'s certificate "O=Test, CN=server" expires in ' in line for line in texts(outcome, "W"))
