"""TLS between our commands and DCMTK's, in both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from programs import LOOPBACK, Outcome, command, echoscp, run
from tls.loopback import client_words, dh_group, failure_of, json_of, server_words

from .conftest import need_dcmtk, storescp

if TYPE_CHECKING:
    from pathlib import Path

    from tls.factory import Factory

pytestmark = pytest.mark.interop

TLS_1_3 = ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
SHARED = {
    # What DCMTK 3.6.7 has too: what is agreed on with our client, and with our server.
    "+py": (TLS_1_3, TLS_1_3),
    "+px": (TLS_1_3, TLS_1_3),
    "+pz": (
        # Its server prefers DHE where the strength is the same.
        ("TLSv1.2", "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
        ("TLSv1.2", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    ),
    "+pa": (("TLSv1.2", "TLS_RSA_WITH_AES_128_CBC_SHA"),) * 2,
    "+pn": (("TLSv1.2", "TLS_RSA_WITH_NULL_SHA"),) * 2,
}


def echoscu(port: int, *words: object) -> Outcome:
    return run([*command("echoscu"), "--json", "-v", *words, LOOPBACK, port])


def their_echoscu(port: int, *words: object) -> Outcome:
    return run([need_dcmtk("echoscu"), "-v", *words, LOOPBACK, port], TCP_NODELAY="1")


# Our client


@pytest.mark.parametrize("profile", SHARED)
def test_our_client_with_each_profile(pki: Factory, profile: str) -> None:
    with storescp(*server_words(pki), profile) as peer:
        outcome = echoscu(peer.port, *client_words(pki), profile, "--repeat", 3)
    assert outcome.code == 0, outcome
    tls = json_of(outcome)["tls"]
    assert (tls["protocol"], tls["cipher"]) == SHARED[profile][0]
    assert tls["certificate"]["subject"] == "O=Test, CN=server"
    assert "I: Association Accepted (Max Send PDV: 16372)" in outcome.lines


def test_our_default_profile_and_their_default(pki: Factory) -> None:
    with storescp(*server_words(pki)) as peer:
        outcome = echoscu(peer.port, *client_words(pki))
        assert outcome.code == 0, outcome
        tls = json_of(outcome)["tls"]
        assert (tls["protocol"], tls["cipher"]) == TLS_1_3
        assert echoscu(peer.port, *client_words(pki), "--repeat", 200).code == 0


@pytest.mark.parametrize(
    ("option", "anonymous", "foreign"),
    [
        ("-rc", "tls-client-certificate-missing", "tls-client-certificate-refused"),
        ("-vc", "", "tls-client-certificate-refused"),
        ("-ic", "", ""),
    ],
)
def test_what_their_server_asks_of_us(pki: Factory, option: str, anonymous: str, foreign: str) -> None:
    stranger = pki.other.issue("stranger", pki.other_rsa)
    with storescp(*server_words(pki), option) as peer:
        assert echoscu(peer.port, *client_words(pki)).code == 0
        for words, cause in (
            (["+tla"], anonymous),
            (["+tls", stranger.key_pem, stranger.pem], foreign),
        ):
            outcome = echoscu(peer.port, *words, "+cf", pki.root.pem)
            assert outcome.code == bool(cause), outcome
            if cause:
                assert failure_of(outcome)[:2] == (cause, "associate")


def test_their_server_misses_our_certificate_with_tls_1_2(pki: Factory) -> None:
    with storescp(*server_words(pki), "+pz") as peer:
        outcome = echoscu(peer.port, "+tla", "+cf", pki.root.pem, "+pz")
    assert outcome.code == 1
    assert failure_of(outcome)[:2] == ("tls-client-certificate-missing", "tls")


def test_our_client_and_their_server_without_tls(pki: Factory) -> None:
    with storescp() as peer:
        outcome = echoscu(peer.port, *client_words(pki))
        assert outcome.code == 1
        assert failure_of(outcome) == ("peer-not-tls", "tls", "peer")


def test_our_client_without_tls_and_their_server(pki: Factory) -> None:
    with storescp(*server_words(pki)) as peer:
        outcome = echoscu(peer.port)
    assert outcome.code == 1
    cause, step, side = failure_of(outcome)
    assert cause in ("peer-speaks-tls", "connection-closed", "connection-reset")
    assert (step, side) == ("associate", "peer")
    assert "TLS" in outcome.lines[-1]


def test_profiles_without_anything_in_common(pki: Factory) -> None:
    with storescp(*server_words(pki), "+pn") as peer:
        outcome = echoscu(peer.port, *client_words(pki))
        assert failure_of(outcome)[0] in ("tls-no-common-cipher", "tls-no-common-version")
    with storescp(*server_words(pki), "+pa") as peer:
        outcome = echoscu(peer.port, *client_words(pki), "+pz")
        assert failure_of(outcome)[0] == "tls-no-common-cipher"


def test_our_client_does_not_trust_their_server(pki: Factory) -> None:
    with storescp(*server_words(pki)) as peer:
        outcome = echoscu(peer.port, *client_words(pki)[:3], "+cf", pki.other.pem)
        assert failure_of(outcome)[0] == "tls-unknown-ca"
        revoked = echoscu(peer.port, *client_words(pki), "+crl", pki.root.crl(pki.server))
        assert failure_of(revoked)[0] == "tls-certificate-revoked"


def test_a_suite_that_both_add(pki: Factory) -> None:
    suite = "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"
    with storescp(*server_words(pki), "+pa", "+cs", suite) as peer:
        outcome = echoscu(peer.port, *client_words(pki), "+pa", "+cs", suite)
    assert outcome.code == 0, outcome
    assert json_of(outcome)["tls"]["cipher"] == suite


# Our server


@pytest.mark.parametrize("profile", SHARED)
def test_our_server_with_each_profile(pki: Factory, profile: str) -> None:
    with echoscp("-v", *server_words(pki), profile) as (program, port):
        outcome = their_echoscu(port, *client_words(pki), profile, "--repeat", "3")
        program.wait_for("Association Released")
    assert outcome.code == 0, outcome
    assert f"I: {', '.join(SHARED[profile][1])}\n" in program.errors
    assert 'subject "O=Test, CN=client"' in program.errors
    assert program.errors.count("Received Echo Request (MsgID ") == 3


def test_their_default_profile_and_our_default(pki: Factory) -> None:
    with echoscp("-v", *server_words(pki)) as (program, port):
        outcome = their_echoscu(port, *client_words(pki))
        program.wait_for("Association Released")
    assert outcome.code == 0, outcome
    assert f"I: {', '.join(TLS_1_3)}\n" in program.errors


@pytest.mark.parametrize(("option", "accepted"), [("-rc", False), ("-vc", True), ("-ic", True)])
def test_their_anonymous_client(pki: Factory, option: str, accepted: bool) -> None:
    with echoscp("-v", *server_words(pki), option) as (program, port):
        outcome = their_echoscu(port, "+tla", "+cf", pki.root.pem)
        program.wait_for("Association Released" if accepted else "tls-peer-certificate-missing")
    assert (outcome.code == 0) is accepted
    assert ("The peer sent no certificate" in program.errors) is accepted


def test_their_client_that_we_do_not_trust(pki: Factory) -> None:
    stranger = pki.other.issue("stranger", pki.other_rsa)
    with echoscp(*server_words(pki)) as (program, port):
        assert their_echoscu(port, "+tls", stranger.key_pem, stranger.pem, "+cf", pki.root.pem).code == 1
        program.wait_for("tls-unknown-ca, the peer's certificate comes from an authority that is not trusted here: \"")


def test_their_client_does_not_trust_us(pki: Factory) -> None:
    with echoscp(*server_words(pki)) as (program, port):
        assert their_echoscu(port, *client_words(pki)[:3], "+cf", pki.other.pem).code == 1
        program.wait_for("tls-client-certificate-refused")


def test_their_client_without_tls(pki: Factory) -> None:
    with echoscp(*server_words(pki)) as (program, port):
        assert their_echoscu(port).code == 1
        program.wait_for("peer-not-tls")


def test_their_client_with_tls_and_our_plain_server(pki: Factory) -> None:
    with echoscp() as (program, port):
        assert their_echoscu(port, *client_words(pki)).code == 1
        program.wait_for("the client speaks TLS, and this port is plain")


def test_their_client_meets_our_own_group(pki: Factory, tmp_path: Path) -> None:
    suite = "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"
    for options in ([], ["+dp", dh_group(3072, tmp_path / "group.pem")]):
        with echoscp("-v", *server_words(pki), "+pa", "+cs", suite, *options) as (program, port):
            assert their_echoscu(port, *client_words(pki), "+pa", "+cs", suite).code == 0
            program.wait_for(f"TLSv1.2, {suite}")


def test_our_command_line_runs_there_and_theirs_here(pki: Factory) -> None:
    """Words that both know, with the format after the files as DCMTK takes it."""
    words = ["+tls", pki.client.key_file(der=True), pki.client.der_file, "+cf", pki.root.der_file, "-der", "+py", "-rc"]
    with echoscp(*server_words(pki)) as (_, port):
        assert their_echoscu(port, *words).code == 0
        assert echoscu(port, *words).code == 0


# Offline checks


@pytest.mark.parametrize("option", ["+vc", "+rc"])
def test_offline_checks_pass_and_fail_alike(pki: Factory, option: str) -> None:
    theirs = need_dcmtk("echoscu")
    expired = pki.root.issue("expired", pki.rsa, begin=-9, end=-1)
    for identity in (pki.server, pki.root, pki.intermediate, expired, pki.other):
        words = ["+tla", "+cf", pki.root.pem, option, identity.pem]
        assert run([theirs, *words]).code == run([*command("echoscu"), *words]).code, identity.label
