"""The lines that echoscp writes, one by one: docs/operations.md lists them all."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dcmecho.acceptor import OUTCOMES
from dcmecho.cli.journal import Journal, end_level, where
from dcmecho.cli.log import INFO, WARN, Log
from dcmecho.counters import Counters
from dcmecho.handler import Peer
from dcmecho.pdu import AssociateRJ, AssociateRQ

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "operations.md"
PEER = Peer("192.0.2.1", 4711, AssociateRQ("OURS", "THEIRS", (), ()))

Lines = Callable[[], list[str]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """The lines written since the last call."""
    return lambda: capsys.readouterr().err.splitlines()


def test_addresses() -> None:
    assert where(PEER) == "192.0.2.1:4711"
    assert where(Peer("2001:db8::1", 1)) == "[2001:db8::1]:1"
    assert where(Peer("fe80::1%\x1b", 1)) == "[fe80::1%\\x1b]:1"


def test_a_line_about_no_peer_is_text_alone(lines: Lines) -> None:
    Journal(Log("echoscp")).tell(WARN, "event", "text", worker=1)
    assert lines() == ["W: text"]


def test_counters_are_shown_at_the_default_level_and_only_those_that_are_not_zero(lines: Lines) -> None:
    journal, counters = Journal(Log("echoscp")), Counters()
    journal.count(counters)
    assert lines() == [
        "W: Counters: 0 connections, 0 associations accepted, 0 open, 0 echoes, 0 failed, 0 bytes received, 0 sent"
    ]
    counters.count_connection()
    counters.count_received(300)
    counters.count_sent(200)
    counters.count_accepted()
    counters.count_rejected(AssociateRJ(1, 1, 7))
    counters.count_ended("idle-timeout")
    counters.count_dropped("not-dicom")
    counters.count_dropped("not-dicom")
    journal.count(counters)
    assert lines() == [
        "W: Counters: 1 connections, 1 associations accepted, 0 open, 0 echoes, 0 failed, 300 bytes received, 200 sent",
        "W: Rejected: called-ae-title-not-recognized 1",
        "W: Associations ended: idle-timeout 1",
        "W: Connections without an association: not-dicom 2",
    ]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_an_end_has_its_level_and_is_documented(lines: Lines, outcome: str) -> None:
    journal = Journal(Log("echoscp", INFO))
    journal.dropped(PEER, outcome, "why\n")
    letter = "I" if end_level(outcome) == INFO else "W"
    assert lines() == [f"{letter}: Connection from 192.0.2.1:4711 ended ({outcome}): why\\x0a"]
    if outcome not in ("released", "rejected"):  # these two have lines of their own
        rows = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{outcome}` | {letter} |")]
        assert len(rows) == 1


def test_every_option_that_limits_is_documented() -> None:
    from dcmecho.cli.table_scp import ECHOSCP

    text = PAGE.read_text()
    for group in ECHOSCP.groups:
        if group.title.startswith(("limits", "operation")):
            for option in group.options:
                assert re.search(rf"`{option.names[0]}\b", text), option
