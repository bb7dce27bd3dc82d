"""The profiles, held against the tables of DCMTK's behaviour, on the wire where they can be."""

from __future__ import annotations

import pytest

from dcmecho.errors import UsageError
from dcmecho.tls import TLSConfiguration, client_context, find_profile, list_profiles
from dcmecho.tls.context import hello_suites
from dcmecho.tls.profiles import CLIENT, PROFILES, SERVER, addition_warnings, with_additions
from dcmecho.tls.suites import BY_NAME, SUITES, TLS_1_0, TLS_1_2, TLS_1_3, Suite, iana_name

from .pair import Side

E128, E256 = "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"
D128, D256 = "DHE-RSA-AES128-GCM-SHA256", "DHE-RSA-AES256-GCM-SHA384"
S128, S256 = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"
C128, C128_8 = "ECDHE-ECDSA-AES128-CCM", "ECDHE-ECDSA-AES128-CCM8"
C256, C256_8 = "ECDHE-ECDSA-AES256-CCM", "ECDHE-ECDSA-AES256-CCM8"
R_CHACHA, S_CHACHA = "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-ECDSA-CHACHA20-POLY1305"
AES, TRIPLE, NULL = "AES128-SHA", "DES-CBC3-SHA", "NULL-SHA"

TABLE = [
    ("pg", TLS_1_2, TLS_1_3, [E128, S128, E256, S256], [E256, S256, E128, S128]),
    (
        "pm",
        TLS_1_2,
        TLS_1_3,
        [C128, C128_8, E128, S128, R_CHACHA, S_CHACHA, C256, C256_8, E256, S256],
        [E256, S256, C256_8, C256, R_CHACHA, S_CHACHA, E128, S128, C128_8, C128],
    ),
    ("py", TLS_1_2, TLS_1_3, [E128, D128, E256, D256], [E256, D256, E128, D128]),
    ("px", TLS_1_0, TLS_1_3, [E128, D128, E256, D256, AES, TRIPLE], [E256, D256, E128, D128, AES, TRIPLE]),
    ("pz", TLS_1_2, TLS_1_2, [E128, D128, E256, D256, S256, S128], [E256, S256, D256, E128, S128, D128]),
    ("pb", TLS_1_0, TLS_1_2, [TRIPLE], [TRIPLE]),
    ("pa", TLS_1_0, TLS_1_2, [AES, TRIPLE], [AES, TRIPLE]),
    ("pn", TLS_1_0, TLS_1_2, [NULL], [NULL]),
]


def openssl_names(suites: tuple[Suite, ...]) -> list[str]:
    return [suite.openssl for suite in suites]


@pytest.mark.parametrize(("option", "minimum", "maximum", "client", "server"), TABLE)
def test_versions_and_order(option: str, minimum: int, maximum: int, client: list[str], server: list[str]) -> None:
    profile = find_profile(option)
    assert (profile.minimum, profile.maximum) == (minimum, maximum)
    assert openssl_names(profile.client) == client
    assert openssl_names(profile.server) == server


@pytest.mark.parametrize(("option", "minimum", "maximum", "client", "_server"), TABLE)
def test_the_hello_offers_exactly_that(
    option: str, minimum: int, maximum: int, client: list[str], _server: list[str]
) -> None:
    if option == "pb":
        pytest.skip("this TLS library may not have 3DES: see test_context")
    side = Side(client_context(TLSConfiguration(profile=option)), server=False)
    side.step()
    hello = side.outgoing.read()
    offered = hello_suites(hello)
    old = [code for code in offered if code >> 8 != 0x13 and code != 0x00FF]
    assert old == [BY_NAME[name].code for name in client if name != TRIPLE]
    assert any(code >> 8 == 0x13 for code in offered) == (maximum == TLS_1_3)
    extensions = extensions_of(hello)
    if maximum == TLS_1_3:
        # RFC 8446 4.2.1: supported_versions; the newest first.
        versions = b"".join(version.to_bytes(2, "big") for version in range(maximum, minimum - 1, -1))
        assert extensions[43] == bytes([len(versions)]) + versions
    else:
        assert hello[9:11] == maximum.to_bytes(2, "big")
        assert 43 not in extensions
    # RFC 7301 3.1
    assert extensions[16] == b"\x00\x06\x05dicom"
    assert 0 not in extensions, "no server name unless it is asked for"


def extensions_of(hello: bytes) -> dict[int, bytes]:
    """Return the extensions of a ClientHello in its record (RFC 8446 4.1.2)."""
    at = 44 + hello[43]
    at += 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 1 + hello[at]
    end = at + 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 2
    found = {}
    while at < end:
        length = int.from_bytes(hello[at + 2 : at + 4], "big")
        found[int.from_bytes(hello[at : at + 2], "big")] = hello[at + 4 : at + 4 + length]
        at += 4 + length
    return found


def test_names_and_default() -> None:
    assert list_profiles() is PROFILES
    assert PROFILES[0].name == "8996"
    for profile in PROFILES:
        for name in (profile.name, profile.short, profile.short[1:], f"--profile-{profile.name}"):
            assert find_profile(name) is profile
    with pytest.raises(UsageError, match="8996-mod"):
        find_profile("pq")


def test_suites_are_what_their_names_say() -> None:
    suite = BY_NAME["TLS_DHE_DSS_WITH_AES_256_CBC_SHA"]
    assert suite is BY_NAME["DHE-DSS-AES256-SHA"]
    assert (suite.exchange, suite.authentication, suite.bits) == ("DHE", "DSS", 256)
    assert (suite.sha1_mac, suite.aead, suite.since) == (True, False, TLS_1_0)
    suite = BY_NAME["TLS_RSA_WITH_AES_128_GCM_SHA256"]
    assert (suite.exchange, suite.authentication, suite.bits) == ("RSA", "RSA", 128)
    assert (suite.sha1_mac, suite.aead, suite.since) == (False, True, TLS_1_2)
    assert BY_NAME["NULL-SHA"].bits == 0
    assert BY_NAME["DES-CBC3-SHA"].bits == 112
    assert BY_NAME["TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"].bits == 256
    assert BY_NAME["TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8"].aead
    assert len({suite.code for suite in SUITES}) == len(SUITES) == 45
    assert iana_name("AES128-SHA") == "TLS_RSA_WITH_AES_128_CBC_SHA"
    assert iana_name("TLS_AES_128_GCM_SHA256") == "TLS_AES_128_GCM_SHA256"


def test_additions_come_last_at_a_client_and_by_strength_at_a_server() -> None:
    profile = find_profile("py")
    names = ("TLS_RSA_WITH_AES_256_CBC_SHA", "AES128-SHA", "ECDHE-RSA-AES128-GCM-SHA256")
    assert openssl_names(with_additions(profile, names, CLIENT)) == [E128, D128, E256, D256, "AES256-SHA", AES]
    assert openssl_names(with_additions(profile, names, SERVER)) == [E256, D256, "AES256-SHA", E128, D128, AES]


@pytest.mark.parametrize(
    ("option", "name", "allowed"),
    [
        ("pg", "TLS_RSA_WITH_AES_128_GCM_SHA256", True),
        ("pg", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", True),
        ("pg", "TLS_RSA_WITH_AES_128_CBC_SHA", False),
        ("pg", "TLS_RSA_WITH_NULL_SHA", False),
        ("pm", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", False),
        ("py", "TLS_RSA_WITH_AES_128_CBC_SHA", True),
        ("py", "TLS_RSA_WITH_NULL_SHA", False),
        ("px", "TLS_RSA_WITH_NULL_SHA", False),
        ("pz", "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", False),
        ("pb", "TLS_RSA_WITH_AES_128_CBC_SHA", True),
        ("pa", "TLS_RSA_WITH_NULL_SHA", False),
        ("pn", "TLS_RSA_WITH_AES_128_CBC_SHA", True),
        ("pg", "TLS_AES_128_CCM_SHA256", False),
        ("pg", "TLS_NO_SUCH_THING", False),
        ("pg", "aNULL", False),
        ("pg", "ADH-AES128-SHA256", False),
    ],
)
def test_what_may_be_added(option: str, name: str, allowed: bool) -> None:
    if allowed:
        assert TLSConfiguration(profile=option, ciphers=[name]).ciphers == (name,)
    else:
        with pytest.raises(UsageError):
            TLSConfiguration(profile=option, ciphers=[name])


def test_additions_that_deserve_a_warning() -> None:
    (warning,) = addition_warnings(find_profile("pg"), ("TLS_RSA_WITH_AES_128_GCM_SHA256",))
    assert "forward secrecy" in warning
    (warning,) = addition_warnings(find_profile("pg"), ("DHE-RSA-AES128-GCM-SHA256",))
    assert "DHE" in warning
    (warning,) = addition_warnings(find_profile("pg"), ("ECDHE-RSA-AES128-SHA256",))
    assert "CBC" in warning
    assert not addition_warnings(find_profile("pg"), ("ECDHE-RSA-CHACHA20-POLY1305", E128))
    assert not addition_warnings(find_profile("py"), ("ECDHE-RSA-AES128-SHA256",))
    assert addition_warnings(find_profile("pb"), ("AES128-SHA",))
    assert not addition_warnings(find_profile("pn"), ("AES128-SHA",))
