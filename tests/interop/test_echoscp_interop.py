"""The clients that people run against our echoscp."""

import json
import urllib.request
from collections.abc import Iterator

import pytest

from programs import LOOPBACK, Outcome, Program, command, echoscp, run

from .conftest import Orthanc, need, need_dcmtk, need_pynetdicom

pytestmark = pytest.mark.interop


@pytest.fixture
def server() -> Iterator[tuple[Program, int]]:
    with echoscp("-v", "-aet", "OURS") as started:
        yield started


def served(program: Program, echoes: int = 1, end: str = "Association Released") -> None:
    """Wait for the end of an association, and see that nothing was amiss in it."""
    program.wait_for(f"I: {end}")
    lines = program.errors.splitlines()
    assert [line[:2] for line in lines if not line.startswith("I: ")] == []
    assert sum(line.startswith("I: Received Echo Request (MsgID ") for line in lines) == echoes


def ok(outcome: Outcome) -> None:
    assert outcome.code == 0, outcome


@pytest.mark.parametrize("words", [[], ["-pts", "38"], ["-ppc", "128", "-pts", "38"], ["-pdu", "4096"], ["-v", "-d"]])
def test_dcmtk(server: tuple[Program, int], words: list[str]) -> None:
    program, port = server
    ok(run([need_dcmtk("echoscu"), *words, "-aet", "DCMTK", "-aec", "OURS", LOOPBACK, port]))
    served(program)
    assert 'calling AE title "DCMTK", called AE title "OURS", OFFIS_DCMTK_' in program.errors


def test_dcmtk_many_times(server: tuple[Program, int]) -> None:
    program, port = server
    ok(run([need_dcmtk("echoscu"), "--repeat", "20", LOOPBACK, port]))
    served(program, echoes=20)


def test_dcmtk_aborts(server: tuple[Program, int]) -> None:
    program, port = server
    ok(run([need_dcmtk("echoscu"), "--abort", LOOPBACK, port]))
    served(program, end="Association Aborted")


def test_dcmtk_is_rejected() -> None:
    with echoscp("-aet", "OURS", "--require-called-aet") as (_, port):
        outcome = run([need_dcmtk("echoscu"), "-aec", "THEIRS", LOOPBACK, port])
    assert outcome.code
    assert "Called AE Title Not Recognized" in outcome.errors + outcome.output


def test_dcmtk_with_a_service_we_do_not_have(server: tuple[Program, int]) -> None:
    program, port = server
    outcome = run([need_dcmtk("findscu"), "-S", "-k", "8,52=STUDY", "-k", "10,20=1", LOOPBACK, port])
    assert "No presentation context" in outcome.errors + outcome.output or "No Acceptable" in outcome.errors
    program.wait_for("Association ")


@pytest.mark.parametrize("words", [[], ["--repeat", "5"], ["-xe"], ["-xb"], ["-xi"], ["-pdu", "0"]], ids=" ".join)
def test_pynetdicom(server: tuple[Program, int], words: list[str]) -> None:
    program, port = server
    ok(run([*need_pynetdicom(), "echoscu", "-aec", "OURS", *words, LOOPBACK, port]))
    served(program, echoes=5 if "--repeat" in words else 1)


def test_pynetdicom_aborts(server: tuple[Program, int]) -> None:
    program, port = server
    ok(run([*need_pynetdicom(), "echoscu", "--abort", LOOPBACK, port]))
    served(program, end="Association Aborted")


def test_orthanc(server: tuple[Program, int], orthanc: Orthanc) -> None:
    program, port = server
    modality = f"http://{LOOPBACK}:{orthanc.http_port}/modalities/ours"
    send("PUT", modality, {"AET": "OURS", "Host": LOOPBACK, "Port": port})
    send("POST", f"{modality}/echo", {})
    served(program)
    assert 'calling AE title "ORTHANC", called AE title "OURS"' in program.errors


def send(method: str, url: str, body: object) -> None:
    """Ask Orthanc for something; HTTPError if it fails."""
    request = urllib.request.Request(url, json.dumps(body).encode(), method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as response:
        response.read()


def test_gdcm(server: tuple[Program, int]) -> None:
    """gdcmscu 3.0.21 aborts itself when all is done, whatever the server is: its exit code tells nothing."""
    program, port = server
    run([need("gdcmscu"), "--echo", "--call", "OURS", LOOPBACK, port])
    served(program)
    assert 'called AE title "OURS", GDCM' in program.errors


def test_odil(server: tuple[Program, int]) -> None:
    program, port = server
    ok(run([need("odil"), "echo", LOOPBACK, port, "ODIL", "OURS"]))
    served(program)


def test_ours(server: tuple[Program, int]) -> None:
    program, port = server
    ok(run([*command("echoscu"), "-pts", "53", "-ppc", "128", "--repeat", "3", LOOPBACK, port]))
    served(program, echoes=3)
