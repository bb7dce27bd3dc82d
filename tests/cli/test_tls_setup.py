"""From the TLS options of a line to a configuration."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from dcmecho.cli.grammar import parse
from dcmecho.cli.log import Log
from dcmecho.cli.table_scp import ECHOSCP
from dcmecho.cli.table_scu import ECHOSCU
from dcmecho.cli.tls_setup import configuration, seed
from dcmecho.errors import LocalError, UsageError
from dcmecho.tls import TLSConfiguration


def scu(line: str) -> TLSConfiguration:
    return configuration(parse(ECHOSCU, [*line.split(), "peer", "104"]))


def scp(line: str) -> TLSConfiguration:
    return configuration(parse(ECHOSCP, [*line.split(), "104"]))


def test_defaults() -> None:
    found = scu("+tla")
    assert (found.profile.name, found.peer_authentication, found.crl_check) == ("8996", "require", "none")
    assert (found.key_file, found.certificate_file, found.password) == (None, None, None)
    assert (found.ca_files, found.ca_directories, found.crl_files, found.ciphers) == ((), (), (), ())
    assert (found.server_name, found.verify_host_name, found.dh_parameters) == (None, None, None)
    assert found.expiry_warning_days == 30
    assert found.alpn is True


def test_everything_of_a_client() -> None:
    found = scu(
        "+tls k c +pw secret +cf a -der +cf b +cd d -pem +crl r +cra +px +cs AES256-SHA +dp p"
        " --request-sni n.example --verify-hostname N.example -vc --expiry-warning 7"
    )
    assert (found.key_file, found.certificate_file) == ("k", "c")
    assert (found.key_format, found.certificate_format) == ("pem", "pem")
    assert found.password == "secret"
    assert found.ca_files == (("a", "pem"), ("b", "der"))
    assert found.ca_directories == (("d", "der"),)
    assert found.crl_files == (("r", "pem"),)
    assert (found.crl_check, found.profile.name, found.ciphers) == ("chain", "bcp195", ("AES256-SHA",))
    assert (found.dh_parameters, found.peer_authentication) == ("p", "verify")
    assert (found.server_name, found.verify_host_name) == ("n.example", "N.example")
    assert found.expiry_warning_days == 7


def test_everything_of_a_server() -> None:
    found = scp("-der +tls k c -pw -pem +crl r --expect-sni n.example -ic")
    assert (found.key_format, found.certificate_format, found.password) == ("der", "der", "")
    assert (found.crl_check, found.crl_files) == ("leaf", (("r", "pem"),))
    assert (found.expected_server_name, found.peer_authentication) == ("n.example", "ignore")


@pytest.mark.parametrize(
    ("line", "check"),
    [("+tla", "none"), ("+tla +crv", "leaf"), ("+tla +crl f", "leaf"), ("+tla +cra +crv", "chain")],
)
def test_revocation(line: str, check: str) -> None:
    assert scu(line).crl_check == check


def test_no_certificate_after_anonymous() -> None:
    found = scu("+tls k c +tla")
    assert (found.key_file, found.certificate_file, found.password) == (None, None, None)


def test_what_the_configuration_itself_refuses() -> None:
    with pytest.raises(UsageError, match="no cipher suite is called"):
        scu("+tla +cs NONSENSE")


# Formats


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`p` is plainly PEM, `d` plainly DER, `x` neither, each in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("p").write_bytes(b"\n-----BEGIN CERTIFICATE-----\n")
    Path("d").write_bytes(b"\x30\x82\x01\x00")
    Path("x").write_bytes(b"0 is no beginning of a certificate")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("line", "formats"),
    [
        ("+cf p +cf d +cf x", ["pem", "pem", "pem"]),
        ("+cf p +cf d +cf x -der", ["pem", "der", "pem"]),
        ("-der +cf p +cf d +cf x", ["pem", "der", "der"]),
        ("-der +cf x -pem +cf d", ["der", "der"]),
        ("-der +cf missing", ["der"]),
    ],
)
def test_a_file_that_is_plainly_in_a_format_is_taken_for_it_where_formats_are_named(
    line: str, formats: list[str]
) -> None:
    assert [form for _, form in scu(f"+tla {line}").ca_files] == formats


# Passwords


def ask(line: str) -> str | bytes:
    password = scu(line).password
    assert callable(password)
    return password()


@pytest.mark.parametrize("option", ["", "+ps", "+pw given +ps"])
@pytest.mark.parametrize(
    ("text", "password"), [("secret\nmore\n", "secret"), ("  two words \r\n", "  two words "), ("", "")]
)
def test_a_line_of_standard_input(monkeypatch: pytest.MonkeyPatch, option: str, text: str, password: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert ask(f"+tls k c {option}") == password


def test_nothing_is_read_before_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO("secret\n")
    monkeypatch.setattr(sys, "stdin", stream)
    scu("+tls k c +ps")
    assert stream.tell() == 0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_prompt_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def getpass(prompt: str) -> str:
        asked.append(prompt)
        return "secret"

    monkeypatch.setattr("getpass.getpass", getpass)
    monkeypatch.setattr(sys, "stdin", Terminal())
    password = configuration(parse(ECHOSCU, ["+tls", "k\x1b", "c", "peer", "104"])).password
    assert callable(password)
    assert password() == "secret"
    assert asked == ["Password of the private key k\\x1b: "]


# Seeds


def test_nothing_to_do_without_a_seed() -> None:
    seed(parse(ECHOSCU, ["+tla", "peer", "104"]), Log("echoscu"))


def test_reading_and_writing(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"seed")
    for words, target in ((["+ws"], old), (["+wf", str(new)], new), (["+ws", "+wf", str(new)], new)):
        old.write_bytes(b"seed")
        new.unlink(missing_ok=True)
        seed(parse(ECHOSCU, ["+tla", "+rs", str(old), *words, "peer", "104"]), Log("echoscu"))
        assert len(target.read_bytes()) == 1024
        assert (old.read_bytes() == b"seed") is (target is new)


def test_a_seed_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(LocalError) as caught:
        seed(parse(ECHOSCU, ["+tla", "+rs", str(tmp_path), "peer", "104"]), Log("echoscu"))
    assert caught.value.cause.name == "input-file-unreadable"
