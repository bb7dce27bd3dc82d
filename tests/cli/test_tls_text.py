"""What the commands say of TLS."""

from __future__ import annotations

from typing import Any

import pytest

from dcmecho.cli.tls_text import ciphers_text, details_lines, profiles_text
from dcmecho.tls.profiles import PROFILES
from dcmecho.tls.suites import SUITES

CERTIFICATE: dict[str, Any] = {
    "subject": "CN=PACS",
    "issuer": "CN=CA",
    "serial": "01:02",
    "subject_alternative_names": ["DNS:pacs.example", "IP:192.0.2.1"],
    "not_before": "2020-01-01 00:00:00 UTC",
    "not_after": "2030-01-01 00:00:00 UTC",
    "days_left": 77,
    "sha256": "AA:BB",
    "key": "RSA 2048 bit",
}
DETAILS: dict[str, Any] = {
    "protocol": "TLSv1.3",
    "cipher": "TLS_AES_256_GCM_SHA384",
    "alpn": None,
    "certificate": CERTIFICATE,
    "chain_not_after": CERTIFICATE["not_after"],
    "chain_days_left": 77,
    "warnings": [],
}


def test_a_handshake() -> None:
    assert details_lines(DETAILS) == [
        "TLSv1.3, TLS_AES_256_GCM_SHA384",
        'Peer\'s certificate: subject "CN=PACS", issuer "CN=CA"',
        "  serial 01:02, RSA 2048 bit, names DNS:pacs.example, IP:192.0.2.1",
        "  SHA-256 AA:BB",
        "  valid until 2030-01-01 00:00:00 UTC (77 days)",
    ]


def test_application_protocol_and_a_chain_that_ends_sooner() -> None:
    sooner = {"alpn": "dicom", "chain_not_after": "2029-01-01 00:00:00 UTC", "chain_days_left": 12}
    lines = details_lines({**DETAILS, **sooner})
    assert lines[0] == 'TLSv1.3, TLS_AES_256_GCM_SHA384, ALPN "dicom"'
    assert lines[-1] == "  its chain until 2029-01-01 00:00:00 UTC (12 days)"


def test_no_names() -> None:
    bare = {**CERTIFICATE, "subject_alternative_names": []}
    assert details_lines({**DETAILS, "certificate": bare})[2] == "  serial 01:02, RSA 2048 bit"


def test_no_certificate() -> None:
    nothing = {"certificate": None, "chain_not_after": None, "chain_days_left": None}
    assert details_lines({**DETAILS, **nothing})[1:] == ["The peer sent no certificate"]


@pytest.mark.parametrize("place", ["subject", "issuer", "subject_alternative_names"])
def test_what_a_certificate_says_is_shown_escaped(place: str) -> None:
    hostile: object = ["DNS:a\x1b[2J\n"] if place == "subject_alternative_names" else 'a\x1b[2J\n"'
    lines = details_lines({**DETAILS, "certificate": {**CERTIFICATE, place: hostile}, "alpn": "d\x1b"})
    assert len(lines) == 5
    assert all(line.isprintable() for line in lines)
    assert "a\\x1b[2J\\x0a" in "".join(lines)


def test_profiles() -> None:
    lines = profiles_text().splitlines()
    assert len(lines) == 1 + len(PROFILES) == 9
    for profile, line in zip(PROFILES, lines[1:], strict=True):
        assert line.split()[:2] == [profile.short, profile.long]
        assert line.endswith(" (default)") is (profile.short == "+pg")


def test_ciphers() -> None:
    lines = ciphers_text().splitlines()
    assert lines[0].startswith("Cipher suites of OpenSSL ")
    names = {suite.iana for suite in SUITES}
    assert {line.split()[0] for line in lines[1:]} <= names
    assert "  TLS_RSA_WITH_AES_128_CBC_SHA  (TLS 1.0-1.2: bcp195, aes)" in lines
