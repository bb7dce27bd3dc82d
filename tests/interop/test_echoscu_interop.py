"""Our echoscu against the servers that people run."""

import time

import pytest

from programs import LOOPBACK, PATIENCE, Outcome, command, run

from .conftest import Orthanc, Peer, storescp

pytestmark = pytest.mark.interop

SERVERS = ["stock_storescp", "prompt_storescp", "pynetdicom_echoscp", "orthanc", "odil_echoscp"]


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Peer:
    peer: Peer = request.getfixturevalue(request.param)
    return peer


def echoscu(peer: Peer, *words: object) -> Outcome:
    """Verify a peer. odil's server takes one association at a time and does not listen meanwhile."""
    deadline = time.monotonic() + PATIENCE
    while True:
        outcome = run([*command("echoscu"), "-ta", 5, "-td", 5, "-aec", peer.title, *words, LOOPBACK, peer.port])
        if "connection refused" not in outcome.errors or time.monotonic() > deadline:
            return outcome
        time.sleep(0.02)


def test_an_echo(server: Peer) -> None:
    outcome = echoscu(server, "-v")
    assert outcome.code == 0, outcome
    assert outcome.lines[0] == "I: Requesting Association"
    assert outcome.lines[1].startswith("I: Association Accepted (Max Send PDV: ")
    assert outcome.lines[2:] == [
        "I: Sending Echo Request (MsgID 1)",
        "I: Received Echo Response (Success)",
        "I: Releasing Association",
    ]


def test_many_echoes(server: Peer) -> None:
    outcome = echoscu(server, "--repeat", 100)
    assert (outcome.code, outcome.errors) == (0, "")


DCMTK_TRANSFER_SYNTAXES = 50
"""Servers made with DCMTK, Orthanc among them, never answer a presentation context with more transfer syntaxes."""


@pytest.mark.parametrize("name", SERVERS)
def test_all_that_can_be_proposed(request: pytest.FixtureRequest, name: str) -> None:
    server: Peer = request.getfixturevalue(name)
    count = 53 if name in ("pynetdicom_echoscp", "odil_echoscp") else DCMTK_TRANSFER_SYNTAXES
    outcome = echoscu(server, "-pts", count, "-ppc", 128)
    assert (outcome.code, outcome.errors) == (0, "")


def test_dcmtk_never_answers_more_transfer_syntaxes(stock_storescp: Peer) -> None:
    outcome = echoscu(stock_storescp, "-pts", DCMTK_TRANSFER_SYNTAXES + 1, "-ta", 0.5)
    assert outcome.code == 1
    assert outcome.errors.startswith("F: Association failed: the peer accepted the connection and did not answer")
    assert echoscu(stock_storescp).code == 0


@pytest.mark.parametrize("words", [["-xe"], ["-xb"], ["-xi"], ["-pdu", "4096"], ["-pdu", "0"], ["-pdu", "131072"]])
def test_each_transfer_syntax_and_length(server: Peer, words: list[str]) -> None:
    outcome = echoscu(server, *words)
    assert (outcome.code, outcome.errors) == (0, "")


def test_an_abort(server: Peer) -> None:
    outcome = echoscu(server, "--abort", "-v")
    assert outcome.code == 0, outcome
    assert outcome.lines[-1] == "I: Aborting Association"
    assert echoscu(server).code == 0


def test_everything_can_be_dumped(server: Peer) -> None:
    outcome = echoscu(server, "-ll", "trace")
    assert outcome.code == 0
    assert "INCOMING A-ASSOCIATE-AC PDU" in outcome.errors
    assert "DIMSE Status                  : Success" in outcome.errors
    assert "Unknown" not in outcome.errors


def test_a_server_that_refuses() -> None:
    with storescp("--refuse") as peer:
        outcome = echoscu(peer)
    assert outcome.code == 1
    assert outcome.errors.startswith("F: Association failed: the peer rejected the association: rejected (")


def test_a_server_that_knows_its_title(orthanc: Orthanc) -> None:
    outcome = echoscu(orthanc, "-aec", "ORTHANK")
    assert outcome.code == 1
    assert outcome.errors.startswith("F: Association failed: the peer does not know the called AE title: rejected (")
    assert 'called AE title "ORTHANK" (7 characters)' in outcome.errors


def test_a_web_server(orthanc: Orthanc) -> None:
    """Orthanc's own hangs up on what is not HTTP, with or without a word."""
    outcome = run([*command("echoscu"), "-ta", 5, LOOPBACK, orthanc.http_port])
    assert outcome.code == 1
    assert outcome.errors.startswith("F: Association failed: ")
