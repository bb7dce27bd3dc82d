"""`+vc` and `+rc` through both commands: what is printed, what is warned of, and the exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped]  # it has no type hints
import pytest

from dcmecho.cli import echoscp, echoscu
from programs import Outcome, call, run
from tls.loopback import hashed

if TYPE_CHECKING:
    from tls.factory import Factory, Identity

Command = Callable[..., Outcome]


@pytest.fixture(params=[echoscu.main, echoscp.main], ids=["echoscu", "echoscp"])
def command(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run one of the commands in this process."""
    return lambda *words: call(request.param, capsys, *words)


def warnings(outcome: Outcome) -> list[str]:
    """Return the warnings, and see that there is nothing else on standard error."""
    assert all(line.startswith("W: ") for line in outcome.lines), outcome
    return [line[3:] for line in outcome.lines]


# +vc


@pytest.mark.parametrize("option", ["+vc", "--verify-cert"])
def test_a_certificate_that_passes(pki: Factory, command: Command, option: str) -> None:
    """Neither a peer nor a port nor TLS are needed for it."""
    both = pki.root.issue("both", pki.rsa)
    outcome = command("+cf", pki.root.pem, option, both.pem)
    assert (outcome.code, outcome.errors) == (0, "")
    begin, end = both.certificate.not_valid_before_utc, both.certificate.not_valid_after_utc
    assert outcome.output.splitlines() == [
        f"{both.pem}: is accepted",
        '  subject "O=Test, CN=both", issuer "O=Test, CN=root"',
        f"  valid from {begin:%Y-%m-%d %H:%M:%S} UTC to {end:%Y-%m-%d %H:%M:%S} UTC, RSA 2048 bit",
    ]


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("foreign", "unable to get local issuer certificate"),
        ("expired", "certificate has expired"),
        ("future", "certificate is not yet valid"),
    ],
)
def test_a_certificate_that_fails(pki: Factory, command: Command, label: str, reason: str) -> None:
    made = {
        "foreign": lambda: pki.other.issue("foreign", pki.rsa),
        "expired": lambda: pki.root.issue("expired", pki.rsa, begin=-9, end=-1),
        "future": lambda: pki.root.issue("future", pki.rsa, begin=1, end=9),
    }[label]()
    outcome = command("+cf", pki.root.pem, "+vc", made.pem)
    assert outcome.code == 22
    assert outcome.output.splitlines()[0].startswith(f"{made.pem}: fails: {reason}")
    assert f'subject "O=Test, CN={label}"' in outcome.output


def test_a_chain_in_the_file(pki: Factory, command: Command) -> None:
    below = pki.intermediate.issue("below", pki.rsa)
    assert command("+cf", pki.root.pem, "+vc", below.pem).code == 22
    assert command("+cf", pki.root.pem, "+vc", below.chain_pem(pki.intermediate)).code == 0
    assert command("+cf", pki.root.pem, "+cf", pki.intermediate.pem, "+vc", below.pem).code == 0


def test_an_authority_above_that_fails_is_told(pki: Factory, command: Command) -> None:
    old = pki.root.issue_authority("old-intermediate", pki.p256, end=-0.5)
    below = old.issue("below-old", pki.rsa)
    outcome = command("+cf", pki.root.pem, "+vc", below.chain_pem(old))
    assert outcome.code == 22
    assert outcome.output.splitlines()[0].endswith("fails: certificate has expired (certificate 1 of the chain)")


def test_revocation(pki: Factory, command: Command) -> None:
    words = ["+cf", pki.root.pem, "+vc", pki.server.pem]
    assert command(*words, "+crl", pki.root.crl()).code == 0
    assert command(*words, "+crl", pki.root.crl(pki.server)).code == 22
    assert "certificate revoked" in command(*words, "+crl", pki.root.crl(pki.server)).output
    assert "unable to get certificate CRL" in command(*words, "+crv").output
    assert "CRL has expired" in command(*words, "+crl", pki.root.crl(end=-1)).output
    assert command(*words, "-der", "+crl", pki.root.crl(pki.server, der=True)).code == 22


def test_revocation_of_the_chain(pki: Factory, command: Command) -> None:
    below = pki.intermediate.issue("below", pki.rsa)
    lists = ["+crl", pki.root.crl(pki.intermediate), "+crl", pki.intermediate.crl()]
    words = ["+cf", pki.root.pem, *lists, "+vc", below.chain_pem(pki.intermediate)]
    assert command(*words).code == 0
    assert command(*words, "+cra").code == 22


def test_directory_of_authorities(pki: Factory, command: Command, tmp_path: Path) -> None:
    assert command("+cd", hashed(pki, tmp_path), "+vc", pki.server.pem).code == 0


@pytest.mark.parametrize("option", ["+vc", "+rc"])
def test_formats(pki: Factory, command: Command, option: str) -> None:
    identity = pki.server if option == "+vc" else pki.root
    words = ["+cf", pki.root.pem] if option == "+vc" else []
    assert command(*words, "-der", option, identity.der_file).code == 0
    outcome = command(*words, option, identity.der_file)
    assert outcome.code == 22
    assert "PEM is expected" in outcome.output


@pytest.mark.parametrize("option", ["+vc", "+rc"])
def test_a_line_written_for_dcmtk_names_the_format_after_the_file(pki: Factory, command: Command, option: str) -> None:
    identity = pki.server if option == "+vc" else pki.root
    assert command("+cf", pki.root.der_file, option, identity.der_file, "-der").code == 0


@pytest.mark.parametrize("option", ["+vc", "+rc"])
@pytest.mark.parametrize("fault", ["missing", "empty", "key"])
def test_a_file_that_cannot_be_read_fails_the_check(
    pki: Factory, command: Command, tmp_path: Path, option: str, fault: str
) -> None:
    """22 as with DCMTK, which does not tell a file that is missing from one that is no certificate."""
    path = {"missing": tmp_path / "missing", "empty": tmp_path / "empty", "key": Path(pki.root.key_pem)}[fault]
    if fault == "empty":
        path.write_bytes(b"")
    outcome = command("+cf", pki.root.pem, option, path)
    assert outcome.code == 22
    assert outcome.output.startswith(f"{path}: fails: ")
    assert len(outcome.output.splitlines()) == 1


def test_what_the_check_itself_cannot_do_without_is_not_a_failed_check(pki: Factory, command: Command) -> None:
    outcome = command("+cf", "/nonexistent", "+vc", pki.server.pem)
    assert (outcome.code, outcome.output) == (20, "")
    outcome = command("+cf", pki.root.pem, "+crl", pki.root.pem, "+vc", pki.server.pem)
    assert (outcome.code, outcome.output) == (22, "")
    outcome = command("+vc", pki.server.pem)
    assert (outcome.code, outcome.output) == (1, "")
    assert "needs trusted certificates" in outcome.errors


@pytest.mark.parametrize(
    ("label", "remark"),
    [
        ("server", "its extended key usage does not allow a TLS client"),
        ("client", "its extended key usage does not allow a TLS server"),
        ("weak", "it has a weak point: RSA key of 1024 bit, less than 2048"),
        ("sha1", "it has a weak point: signed with SHA-1, weaker than SHA-256"),
        ("intermediate", "it is a CA certificate, not one for a TLS client or server"),
        ("soon", "it expires in "),
    ],
)
def test_what_passes_and_is_still_warned_of(pki: Factory, command: Command, label: str, remark: str) -> None:
    makers: dict[str, Callable[[], Identity]] = {
        "server": lambda: pki.server,
        "client": lambda: pki.client,
        "weak": lambda: pki.root.issue("weak", pki.weak_rsa),
        "sha1": lambda: pki.root.issue_hashed("sha1", pki.rsa, "sha1"),
        "intermediate": lambda: pki.intermediate,
        "soon": lambda: pki.root.issue("soon", pki.rsa, end=10),
    }
    made = makers[label]()
    outcome = command("+cf", pki.root.pem, "+vc", made.pem)
    assert outcome.code == 0
    assert any(line.startswith(f"{made.pem}: {remark}") for line in warnings(outcome)), outcome


def test_warnings_can_be_silenced(pki: Factory, command: Command) -> None:
    outcome = command("-q", "+cf", pki.root.pem, "+vc", pki.intermediate.pem)
    assert (outcome.code, outcome.errors) == (0, "")
    assert "is accepted" in outcome.output


def test_ignoring_peers_does_not_loosen_the_check(pki: Factory, command: Command) -> None:
    words = ["+tls", pki.server.key_pem, pki.server.pem, "-ic", "+cf", pki.other.pem]
    assert command(*words, "+vc", pki.server.pem).code == 22


# +rc


@pytest.mark.parametrize("option", ["+rc", "--is-root-cert"])
def test_a_root(pki: Factory, command: Command, option: str) -> None:
    outcome = command(option, pki.root.pem)
    assert (outcome.code, outcome.errors) == (0, "")
    assert outcome.output.startswith(f"{pki.root.pem}: is a self-signed root CA certificate\n")


def test_what_is_no_root(pki: Factory, command: Command) -> None:
    expired = pki.authority("expired-root", pki.rsa, begin=-9, end=-1)
    for identity in (pki.server, pki.intermediate, expired):
        outcome = command("+rc", identity.pem)
        assert outcome.code == 22
        assert outcome.output.startswith(f"{identity.pem}: fails: ")


def test_a_root_that_is_none_but_passes_is_warned_of(pki: Factory, command: Command) -> None:
    plain = pki.authority("no-flag", pki.rsa, flag=False)
    outcome = command("+rc", plain.pem)
    assert outcome.code == 0
    assert any("it has no CA flag" in line for line in warnings(outcome))
    damaged = pki.corrupted(pki.root)
    outcome = command("-der", "+rc", damaged)
    assert outcome.code == 0
    assert warnings(outcome) == [f"{damaged}: its own signature is wrong: the file is damaged or forged"]


def test_both_checks_at_once(pki: Factory, command: Command) -> None:
    words = ["+cf", pki.root.pem, "+vc", pki.server.pem, "+rc"]
    outcome = command(*words, pki.root.pem)
    assert outcome.code == 0
    assert "is accepted" in outcome.output
    assert "is a self-signed root CA certificate" in outcome.output
    assert command(*words, pki.server.pem).code == 22


def test_as_json(pki: Factory, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    schema = json.loads((Path(__file__).parents[2] / "docs/reference/echoscu.schema.json").read_text(encoding="utf-8"))
    expired, absent = pki.root.issue("expired", pki.rsa, begin=-9, end=-1), tmp_path / "absent.pem"

    def checked(*words: str) -> tuple[int, object, list[tuple[object, ...]]]:
        outcome = call(echoscu.main, capsys, "--json", "+cf", pki.root.pem, *words)
        found = json.loads(outcome.output)
        jsonschema.validate(found, {"$ref": "#/$defs/checks", "$defs": schema["$defs"]})
        members = ("check", "file", "ok", "problem", "verify_code")
        return outcome.code, found["ok"], [tuple([each[name] for name in members]) for each in found["checks"]]

    passes = ("verify-cert", pki.server.pem, True, None, 0)
    assert checked("+vc", pki.server.pem) == (0, True, [passes])
    fails = ("verify-cert", expired.pem, False, "certificate has expired", 10)
    is_root = ("is-root-cert", pki.root.pem, True, None, 0)
    assert checked("+rc", pki.root.pem, "+vc", expired.pem) == (22, False, [fails, is_root])
    code, is_good, (told,) = checked("+rc", str(absent))
    assert (code, is_good, told[:3], told[4]) == (22, False, ("is-root-cert", str(absent), False), None)


def test_nothing_of_a_certificate_is_shown_raw(pki: Factory, command: Command) -> None:
    hostile = pki.other.issue("\x1b]0;owned\x07", pki.weak_rsa)
    hostile.label = "hostile"
    outcome = command("+cf", pki.root.pem, "+vc", hostile.pem)
    assert "\x1b" not in outcome.output + outcome.errors
    assert "\\x1b]0;owned\\x07" in outcome.output
    outcome = command("+rc", "/no/\x1b]0;owned\x07")
    assert "\x1b" not in outcome.output + outcome.errors


def test_the_library_for_it_is_loaded_only_for_it(pki: Factory) -> None:
    script = "import sys; from dcmecho.cli.{0} import main; main(sys.argv[1:]); print('OpenSSL' in sys.modules)"
    for name in ("echoscu", "echoscp"):
        loaded = run([sys.executable, "-c", script.format(name), "+rc", pki.root.pem])
        assert loaded.output.endswith("True\n")
    assert run([sys.executable, "-c", script.format("echoscu"), "+cc"]).output.endswith("False\n")
