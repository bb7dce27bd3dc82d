"""`python -m dcmecho`, and the scripts that an installation makes."""

import os
import subprocess
import sys
import sysconfig
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from dcmecho import __main__
from programs import LOOPBACK, FakePeer, echo_peer, run


@pytest.mark.parametrize(
    ("words", "code", "stream"), [(["-h"], 0, 0), (["--help"], 0, 0), ([], 1, 1), (["findscu"], 1, 1)]
)
def test_without_a_command_it_tells_which_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], code: int, stream: int
) -> None:
    monkeypatch.setattr(sys, "argv", ["dcmecho", *words])
    assert __main__.main() == code
    streams = capsys.readouterr()
    assert "python -m dcmecho echoscu|echoscp" in streams[stream]
    assert streams[1 - stream] == ""


@pytest.mark.parametrize("name", ["echoscu", "echoscp"])
def test_the_first_word_is_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["dcmecho", name, "-h"])
    assert __main__.main() == 0
    assert capsys.readouterr().out.startswith(f"{name}: ")


def test_the_exit_code_is_the_commands() -> None:
    with FakePeer(echo_peer()) as peer:
        assert run([sys.executable, "-m", "dcmecho", "echoscu", LOOPBACK, peer.port]).code == 0
        assert peer.settled().message_ids == [1]
    assert run([sys.executable, "-m", "dcmecho", "echoscu"]).code == 1


@pytest.mark.parametrize("name", ["echoscu", "echoscp"])
def test_the_scripts_lead_to_the_commands(name: str) -> None:
    found = [each for each in entry_points(group="console_scripts", name=name) if each.module.startswith("dcmecho")]
    assert [each.value for each in found] == [f"dcmecho.cli.start:{name}"]
    # In a process of its own: it turns garbage collection off.
    program = run([sys.executable, "-c", f"import sys\nfrom dcmecho.cli.start import {name}\nsys.exit({name}())", "-h"])
    assert program.code == 0
    assert program.output.startswith(f"{name}: ")


@pytest.mark.parametrize(("words", "code"), [(["--version"], 0), ([], 1), (["-v", LOOPBACK, "1"], 1)])
def test_the_program_ends_with_all_that_was_said_and_the_exit_code(words: list[str], code: int) -> None:
    module = run([sys.executable, "-m", "dcmecho", "echoscu", *words])
    program = run([sys.executable, "-c", "from dcmecho.cli.echoscu import run; run()", *words])
    assert (program.code, program.output, program.errors) == (code, module.output, module.errors)
    assert program.output + program.errors


def test_the_installed_script_runs() -> None:
    script = Path(sysconfig.get_path("scripts"), "echoscu.exe" if os.name == "nt" else "echoscu")
    if not script.exists() or b"dcmecho" not in script.read_bytes():
        pytest.skip("not installed with scripts")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.startswith("dcmecho ")
