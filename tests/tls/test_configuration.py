"""Settings are checked for sense before any file is touched."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dcmecho.errors import UsageError
from dcmecho.tls import TLSConfiguration
from dcmecho.tls.configuration import is_address


def test_defaults() -> None:
    configuration = TLSConfiguration()
    assert configuration.profile.name == "8996"
    assert configuration.peer_authentication == "require"
    assert configuration.crl_check == "none"
    assert configuration.expiry_warning_days == 30
    assert configuration.alpn
    assert configuration.security_level == 0
    assert configuration.wire_server_name is None


def test_lists_imply_the_leaf_check() -> None:
    assert TLSConfiguration(crl_files=[("a", "pem")]).crl_check == "leaf"
    assert TLSConfiguration(crl_files=[("a", "der")], crl_check="chain").crl_check == "chain"


def test_security_level() -> None:
    assert TLSConfiguration(profile="8996-mod").security_level == 2
    assert TLSConfiguration(profile="bcp195", strict=True).security_level == 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"profile": "pq"}, "no TLS profile"),
        ({"key_file": "k"}, "together"),
        ({"certificate_file": "c"}, "together"),
        ({"key_format": "p12"}, "key_format"),
        ({"certificate_format": "p12"}, "certificate_format"),
        ({"ca_files": [("a", "p7")]}, "ca_files format"),
        ({"crl_check": "some"}, "crl_check"),
        ({"peer_authentication": "maybe"}, "peer_authentication"),
        ({"server_name": ""}, "not a host name"),
        ({"server_name": ".pacs"}, "not a host name"),
        ({"server_name": "a" * 64}, "not a host name"),
        ({"server_name": "a." * 126 + "aa"}, "not a host name"),
        ({"server_name": "pac s"}, "not a host name"),
        ({"server_name": "b\xfccher"}, "xn--"),
        ({"server_name": "10.0.0.1"}, "is an address"),
        ({"expected_server_name": "::1"}, "is an address"),
        ({"verify_host_name": ".x"}, "not a host name"),
        ({"verify_host_name": "a", "peer_authentication": "ignore"}, "cannot be verified"),
        ({"verify_host_name": "a", "server_name": "b"}, "must be the same"),
    ],
)
def test_senseless_settings(settings: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        TLSConfiguration(**settings)  # type: ignore[arg-type]  # wrong on purpose


def test_names_for_the_wire() -> None:
    assert TLSConfiguration(server_name="pacs.example").wire_server_name == "pacs.example"
    assert TLSConfiguration(verify_host_name="pacs", server_name="PACS").wire_server_name == "pacs"
    assert TLSConfiguration(verify_host_name="::1").wire_server_name == "::1"


def test_addresses() -> None:
    assert is_address("10.0.0.1")
    assert is_address("fe80::1")
    assert not is_address("10.0.0")
    assert not is_address("pacs.0.0.a")


def test_neither_configuration_nor_profiles_load_ssl() -> None:
    code = (
        "import sys, dcmecho.tls as t; t.TLSConfiguration(); t.list_profiles();"
        "print(sorted({'ssl', 're', 'typing', 'json', 'cryptography', 'OpenSSL'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-I", "-S", "-c", _with_path(code)], check=True, capture_output=True)
    assert shown.stdout.strip() == b"[]"


def test_a_healthy_handshake_needs_no_cryptography() -> None:
    code = (
        "import sys; from dcmecho.tls import *; from dcmecho.tls import handshake, certificate, failures;"
        "client_context(TLSConfiguration());"
        "print(sorted({'cryptography', 'OpenSSL', 'asyncio', 'dataclasses', 'logging'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-I", "-S", "-c", _with_path(code)], check=True, capture_output=True)
    assert shown.stdout.strip() == b"[]"


def _with_path(code: str) -> str:
    import dcmecho

    # Without `site`, whose path files may import anything.
    return f"import sys; sys.path[:0] = [{str(dcmecho.__path__[0]) + '/..'!r}]; {code}"


def test_exports() -> None:
    import dcmecho.tls as package

    for name in package.__all__:
        assert getattr(package, name) is not None
        assert name in dir(package)
    assert sorted(package.__all__) == sorted(package._MODULES)
    with pytest.raises(AttributeError, match="no_such_name"):
        package.no_such_name  # noqa: B018  # reading it is the test
