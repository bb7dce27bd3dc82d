"""The log as JSON: each event with its fields, harmless whatever a peer sends."""

import json
import re
import signal
from typing import Any

import pytest

from dcmecho.cli.echoscp import main
from dcmecho.cli.json_log import JsonJournal, JsonLog
from dcmecho.cli.log import DEBUG, FATAL, INFO, WARN
from dcmecho.counters import Counters
from dcmecho.handler import Peer
from dcmecho.items import ImplementationClassUID, ImplementationVersionName
from dcmecho.pdu import AssociateRJ, AssociateRQ
from programs import association_request, call, connect, echoscp

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
REQUEST = AssociateRQ("OURS", "THEIRS", (), (ImplementationClassUID("1.2.3"), ImplementationVersionName("V1")))
PEER = Peer("192.0.2.1", 4711, REQUEST)
OF_PEER = {"address": "192.0.2.1", "port": 4711, "calling_ae_title": "THEIRS", "called_ae_title": "OURS"}


def events(text: str) -> list[dict[str, Any]]:
    """Every line is an object with a time, which is taken off."""
    found = [json.loads(line) for line in text.splitlines()]
    for each in found:
        assert TIME.fullmatch(each.pop("time"))
    return found


def written(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one event that was written."""
    (found,) = events(capsys.readouterr().err)
    return found


@pytest.fixture
def journal() -> JsonJournal:
    return JsonJournal(JsonLog("echoscp", INFO))


def test_an_accepted_association(journal: JsonJournal, capsys: pytest.CaptureFixture[str]) -> None:
    journal.accepted(PEER)
    said = {"implementation_class_uid": "1.2.3", "implementation_version_name": "V1"}
    assert written(capsys) == {"level": "info", "event": "association-accepted", **OF_PEER, **said}


def test_tls_and_its_warnings(journal: JsonJournal, capsys: pytest.CaptureFixture[str]) -> None:
    tls = {"version": "TLSv1.3", "warnings": ["soon over"]}
    journal.accepted(Peer("::1", 1, REQUEST, tls))
    accepted, warning = events(capsys.readouterr().err)
    assert accepted["tls"] == tls
    assert (warning["level"], warning["event"], warning["message"]) == ("warn", "tls-warning", "soon over")


def test_a_rejected_association(journal: JsonJournal, capsys: pytest.CaptureFixture[str]) -> None:
    journal.rejected(PEER, AssociateRJ(2, 3, 2))
    reason = {
        "outcome": "rejected",
        "result": "transient",
        "rejected_by": "service provider (presentation)",
        "detail": "local limit exceeded",
    }
    assert written(capsys) == {"level": "warn", "event": "association-rejected", **OF_PEER, **reason}


def test_echo_and_release(journal: JsonJournal, capsys: pytest.CaptureFixture[str]) -> None:
    journal.echoed(PEER, 7, 0)
    assert written(capsys) == {"level": "info", "event": "echo", **OF_PEER, "message_id": 7, "status": 0}
    journal.released(PEER)
    assert written(capsys) == {"level": "info", "event": "association-released", **OF_PEER, "outcome": "released"}


@pytest.mark.parametrize(("outcome", "level"), [("idle-timeout", "info"), ("protocol-violation", "warn")])
def test_other_ends(journal: JsonJournal, capsys: pytest.CaptureFixture[str], outcome: str, level: str) -> None:
    journal.aborted(PEER, outcome, "why")
    end = {"outcome": outcome, "detail": "why"}
    assert written(capsys) == {"level": level, "event": "association-aborted", **OF_PEER, **end}
    journal.dropped(Peer("192.0.2.1", 4711), outcome, "why")
    where = {"address": "192.0.2.1", "port": 4711}
    assert written(capsys) == {"level": level, "event": "connection-ended", **where, **end}


def test_counters(journal: JsonJournal, capsys: pytest.CaptureFixture[str]) -> None:
    counters = Counters()
    counters.count_accepted()
    counters.count_received(300)
    counters.count_sent(200)
    journal.count(counters)
    found = written(capsys)
    assert (found["level"], found["event"], found["accepted"], found["open"]) == ("warn", "counters", 1, 1)
    assert (found["bytes_received"], found["bytes_sent"]) == (300, 200)
    assert found["ended"]["released"] == 0


def test_other_lines_are_messages(capsys: pytest.CaptureFixture[str]) -> None:
    log = JsonLog("echoscp", DEBUG)
    log.debug("one\ntwo", source="dcmnet")
    assert written(capsys) == {"level": "debug", "event": "message", "message": "one\ntwo", "source": "dcmnet"}
    log.fatal("over")
    assert written(capsys) == {"level": "fatal", "event": "failed", "message": "over"}


def test_the_level_counts(capsys: pytest.CaptureFixture[str]) -> None:
    log = JsonLog("echoscp", WARN)
    journal = JsonJournal(log)
    journal.accepted(PEER)
    journal.echoed(PEER, 1, 0)
    journal.released(PEER)
    log.info("x")
    assert capsys.readouterr().err == ""


def test_a_stream_that_nobody_reads_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    log = JsonLog("echoscp", DEBUG)
    log.info("x")
    assert not log.is_enabled(FATAL)


def test_what_a_peer_sent_is_ascii_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    evil = 'A\x1b[2J\n"\u202e\x9b\udcff'
    JsonJournal(JsonLog("echoscp", INFO)).accepted(Peer("192.0.2.1", 1, AssociateRQ(evil, evil, (), ())))
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.rstrip("\n").isascii()
    assert line.rstrip("\n").isprintable()
    assert json.loads(line)["calling_ae_title"] == evil


def test_a_run_in_json() -> None:
    evil = "A\x1b[2J\nF: x"
    with echoscp("-v", "--log-format", "json") as (program, port):
        with connect(port) as talk:
            talk.associate(association_request(calling=evil))
            talk.echo(9)
            talk.release()
        program.wait_for("association-released")
        program.send_signal(signal.SIGUSR1)
        program.wait_for('"counters"')
        program.send_signal(signal.SIGTERM)
        outcome = program.wait()
    found = events(outcome.errors)
    names = ["listening", "association-accepted", "echo", "association-released", "counters", "stopping"]
    assert [each["event"] for each in found] == names
    assert found[0]["ports"] == [port]
    assert (found[2]["message_id"], found[2]["calling_ae_title"], found[2]["address"]) == (9, evil, "127.0.0.1")
    assert (found[4]["connections"], found[4]["ended"]["released"]) == (1, 1)


def test_a_failure_to_start_is_an_object_too(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = call(main, capsys, "--log-format", "JSON", "-ba", "192.0.2.1", 0)
    assert outcome.code == 60
    (found,) = events(outcome.errors)
    assert (found["level"], found["event"]) == ("fatal", "failed")


def test_a_configuration_file_and_json_contradict(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = call(main, capsys, "--log-format", "json", "-lc", "x", 0)
    assert outcome.code == 1
    assert outcome.lines == ["echoscp: option --log-format: json contradicts -lc (--log-config)"]
