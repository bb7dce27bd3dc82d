"""`echoscu --json`: every kind of result keeps to the published schema, and the documentation's examples are real."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it has no type hints
import pytest

from dcmecho import causes
from dcmecho.cli.echoscu import main
from dcmecho.dimse import CEchoRSP
from dcmecho.result import MAX_ECHO_RECORDS
from dcmecho.tls.certificate import PeerCertificate
from dcmecho.tls.handshake import TLSDetails
from dcmecho.tls.wire import TLSReport
from programs import (
    LOOPBACK,
    FakePeer,
    Script,
    aborting_peer,
    acceptance,
    call,
    echo_peer,
    free_port,
    greeting_peer,
    message,
    rejecting_peer,
    silent_peer,
)
from tls.factory import Factory

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
SCHEMA: dict[str, Any] = json.loads((REFERENCE / "echoscu.schema.json").read_text(encoding="utf-8"))
DOCUMENT = (REFERENCE / "json.md").read_text(encoding="utf-8")
EXAMPLES: list[Any] = [json.loads(each) for each in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)]

VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def objects(schema: object) -> Iterator[dict[str, Any]]:
    """Every schema of an object within a schema."""
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for each in schema.values():
            yield from objects(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from objects(each)


# The schema itself


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_is_closed() -> None:
    assert all(each["additionalProperties"] is False for each in objects(SCHEMA))
    assert all(set(each["required"]) <= set(each["properties"]) for each in objects(SCHEMA))


def test_the_causes_steps_and_sides_are_those_of_the_library() -> None:
    failure = SCHEMA["$defs"]["failure"]["properties"]
    assert SCHEMA["$defs"]["cause"]["enum"] == list(causes.CAUSES)
    assert failure["step"]["enum"] == list(causes.STEPS)
    assert failure["side"]["enum"] == list(causes.SIDES)
    steps = SCHEMA["properties"]["steps"]["items"]["properties"]["step"]["enum"]
    assert ["setup", *steps] == list(causes.STEPS)
    assert SCHEMA["properties"]["echoes"]["maxItems"] == MAX_ECHO_RECORDS


def test_every_member_and_every_cause_is_documented() -> None:
    members = {name for each in objects(SCHEMA) for name in each["properties"]}
    assert {name for name in members if f"`{name}`" not in DOCUMENT} == set()
    table = re.findall(r"^\| `([a-z-]+)` \| (\w+) \| ([a-z, ]+) \| (.+) \|$", DOCUMENT, re.MULTILINE)
    assert table == [
        (cause.name, cause.side, ", ".join(cause.steps), cause.summary) for cause in causes.CAUSES.values()
    ]


# What really comes out


def result_of(capsys: pytest.CaptureFixture[str], code: int, *words: object) -> dict[str, Any]:
    """Run `echoscu --json`; return its one object, which keeps to the schema."""
    outcome = call(main, capsys, "--json", *words)
    assert outcome.code == code, outcome
    result: dict[str, Any] = json.loads(outcome.output)
    VALIDATOR.validate(result)
    assert result["ok"] == (code == 0)
    return result


def answer_with(status: int) -> Script:
    detail = {"error_comment": "x\x1b\n", "error_id": 65535, "offending_elements": (0x00000110, 0x7FE00010)}
    return echo_peer(answer=lambda number: message(CEchoRSP(number, status, **detail).encode()))  # type: ignore[arg-type]  # each value has the type of its keyword


SCRIPTS: list[tuple[str, Script, list[str], int]] = [
    ("none", echo_peer(), [], 0),
    ("none", echo_peer(), ["--repeat", "3", "--abort", "-ppc", "128"], 0),
    ("none", echo_peer(accept=lambda request: acceptance(request, results=(4, 0), max_pdu=0)), ["-ppc", "3"], 0),
    ("called-ae-title-refused", rejecting_peer(1, 1, 7), [], 1),
    ("rejected", rejecting_peer(255, 255, 255), [], 1),
    ("aborted", aborting_peer(255, 255), [], 1),
    ("no-acceptable-context", echo_peer(accept=lambda request: acceptance(request, results=(3,))), [], 1),
    ("no-acceptable-context", echo_peer(accept=lambda request: acceptance(request, results=(255,))), [], 1),
    ("peer-speaks-http", greeting_peer(b"HTTP/1.1 400 x\r\n\r\n"), [], 1),
    ("not-dicom", greeting_peer(b"\x1b[2J\xff"), [], 1),
    ("connection-closed", greeting_peer(b""), [], 1),
    ("associate-timeout", silent_peer, ["-ta", "0.1"], 1),
    ("no-progress", silent_peer, ["-ts", "0.1"], 1),
    ("deadline-exceeded", silent_peer, ["--deadline", "0.1"], 1),
    ("echo-status", answer_with(0xFFFF), ["--repeat", "2"], 62),
    ("echo-timeout", echo_peer(answer=lambda number: b""), ["-td", "0.1"], 70),
    ("protocol-violation", echo_peer(answer=lambda number: b"\x09\0\0\0\0\0"), [], 70),
    ("release-timeout", echo_peer(release=False), ["-ta", "0.1"], 70),
]


@pytest.mark.parametrize(
    ("cause", "script", "words", "code"), SCRIPTS, ids=[f"{each[0]}-{each[3]}" for each in SCRIPTS]
)
def test_every_result_keeps_to_the_schema(
    capsys: pytest.CaptureFixture[str], cause: str, script: Script, words: list[str], code: int
) -> None:
    with FakePeer(script) as peer:
        result = result_of(capsys, code, *words, LOOPBACK, peer.port)
    assert (result["failure"]["cause"] if result["failure"] else "none") == cause
    assert result["peer"] == {"host": LOOPBACK, "port": peer.port, "address": LOOPBACK}


def test_refused(capsys: pytest.CaptureFixture[str]) -> None:
    result = result_of(capsys, 1, LOOPBACK, free_port())
    assert result["failure"]["attempts"] == result["attempts"]
    assert result["attempts"][0]["cause"] == "connection-refused"
    assert [each["step"] for each in result["steps"]] == ["resolve", "connect"]


def test_no_such_host(capsys: pytest.CaptureFixture[str]) -> None:
    result = result_of(capsys, 1, "-i6", LOOPBACK, 104)
    assert result["failure"]["cause"] == "host-not-found"
    assert result["peer"]["address"] is None


def test_what_cannot_start(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = result_of(capsys, 20, "-lc", tmp_path / "none", "h", 104)
    assert (result["failure"]["step"], result["failure"]["cause"]) == ("setup", "input-file-unreadable")
    assert result["steps"] == []


def test_a_wrong_command_line_is_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = call(main, capsys, "--json", "h")
    assert (outcome.code, outcome.output) == (1, "")


def test_only_the_first_echoes_are_listed_and_all_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    with FakePeer(echo_peer()) as peer:
        result = result_of(capsys, 0, "--repeat", 1001, LOOPBACK, peer.port)
    assert [each["message_id"] for each in result["echoes"]] == list(range(1, 1001))
    assert (result["statistics"]["sent"], result["statistics"]["answered"]) == (1001, 1001)
    times = result["statistics"]["seconds"]
    assert times["min"] <= times["median"] <= times["p99"] <= times["max"]


def test_bracketed_ipv6_addresses_are_shown_as_they_connect(capsys: pytest.CaptureFixture[str]) -> None:
    with FakePeer(echo_peer(), host="::1") as peer:
        result = result_of(capsys, 0, "[::1]", peer.port)
    assert result["peer"]["address"] == "::1"


def test_the_log_and_the_object_do_not_mix(capsys: pytest.CaptureFixture[str]) -> None:
    with FakePeer(echo_peer()) as peer:
        outcome = call(main, capsys, "--json", "-d", LOOPBACK, peer.port)
    VALIDATOR.validate(json.loads(outcome.output))
    assert "Received Echo Response (Success)" in outcome.errors


def test_tls_details_keep_to_the_schema(pki: Factory) -> None:
    certificate = PeerCertificate(pki.authority("json", pki.rsa).issue("peer", pki.rsa).der)
    handshakes = TLSDetails("TLSv1.3", "TLS_AES_256_GCM_SHA384", None, (certificate,)), TLSDetails("", "", "dicom", ())
    for details in handshakes:
        VALIDATOR.validate({**EXAMPLES[0], "tls": TLSReport(details, ["expires soon"]).to_dict()})


# The documentation's examples


def without_measurements(value: object) -> object:
    """A result without what differs from run to run: the port and the times."""
    if isinstance(value, dict):
        return {key: 0 if key == "port" else without_measurements(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_measurements(each) for each in value]
    return 0.0 if isinstance(value, float) else value


def test_the_examples_keep_to_the_schema() -> None:
    assert len(EXAMPLES) == 2
    for example in EXAMPLES:
        VALIDATOR.validate(example)


def test_the_example_of_echoes(capsys: pytest.CaptureFixture[str]) -> None:
    refusal = CEchoRSP(2, 0x0122, error_comment="no echo before breakfast")
    script = echo_peer(
        answer=lambda number: message((CEchoRSP(number) if number == 1 else refusal).encode()),
        accept=lambda request: acceptance(request, version_name="EXAMPLE_1"),
    )
    with FakePeer(script) as peer:
        result = result_of(capsys, 62, "--repeat", 2, "-aec", "PACS", "-aet", "WS1", LOOPBACK, peer.port)
    assert without_measurements(result) == without_measurements(EXAMPLES[0])


def test_the_example_of_a_rejection(capsys: pytest.CaptureFixture[str]) -> None:
    with FakePeer(rejecting_peer(1, 1, 7)) as peer:
        result = result_of(capsys, 1, "-aec", "PACS", "-aet", "WS1", LOOPBACK, peer.port)
    assert without_measurements(result) == without_measurements(EXAMPLES[1])


def test_the_schema_refuses_what_it_does_not_know() -> None:
    for change in (
        {"more": 1},
        {"schema": 2},
        {"seconds": -1},
        {"failure": {**EXAMPLES[0]["failure"], "cause": "bad luck"}},
    ):
        assert not VALIDATOR.is_valid({**EXAMPLES[0], **change})
    assert not VALIDATOR.is_valid({key: value for key, value in EXAMPLES[0].items() if key != "tls"})
