"""What the machine may do to the commands: no descriptors, memory or room for the log, packets lost, no interface.

That a wall clock that jumps does no harm needs no test here: the core is given the time and has no clock (import-linter
holds that), and the loops take it from the monotonic clock alone; `test_only_the_monotonic_clock_is_asked` holds that.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import dcmecho
from peers import eventually
from programs import LOOPBACK, Program, command, run

from .lossy import SIDES, LossyNetwork, why_not
from .victim import SMALL_LIMITS, Victim, assert_decent, without_epoll

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

RECOVERS_WITHIN = 15.0
"""Seconds; both kinds of connections try again within one."""

needs_root = pytest.mark.skipif(not sys.platform.startswith("linux") or os.geteuid() != 0, reason="needs root on Linux")


@pytest.fixture(scope="module")
def network_works() -> None:
    reason = why_not()
    if reason:
        pytest.skip(reason)


# Descriptors


def words_of(connections: str) -> list[str]:
    return command("echoscp") if connections == "ours" else without_epoll()


def answers(victim: Victim) -> bool:
    try:
        victim.verify()
    except Exception:  # noqa: BLE001 - for whatever reason it does not
        return False
    return True


@pytest.mark.faults
@needs_root
@pytest.mark.parametrize("whose", ["ours", "asyncio"])
def test_descriptors_run_out_and_come_back(tmp_path: Path, whose: str) -> None:
    import resource

    with Victim(tmp_path, "-v", "-ta", "20", words=words_of(whose)) as victim:
        victim.warm_up()
        before = victim.descriptors()
        pid, kind = victim.process.pid, resource.RLIMIT_NOFILE
        limits = resource.prlimit(pid, kind)
        resource.prlimit(pid, kind, (before + 8, limits[1]))
        connections = [socket.create_connection((LOOPBACK, victim.port), 5) for _ in range(40)]
        try:
            # What fits is served; the rest waits, or is turned away: both kinds differ, and both may.
            assert eventually(lambda: victim.descriptors() >= before + 7)
            looked_at = time.monotonic() + 2.5
            assert eventually(lambda: time.monotonic() > looked_at)
            assert victim.process.poll() is None
            lines = victim.log().count(b"\n")
        finally:
            for connection in connections:
                connection.close()
        assert eventually(lambda: answers(victim), RECOVERS_WITHIN), "it has not come back"
        assert_decent(victim.log())
        assert lines < 300, f"{lines} lines in 3 seconds say that there are no descriptors"
        resource.prlimit(pid, kind, limits)
        victim.assert_well()
        assert victim.stop() == 0


# Memory


@pytest.mark.faults
@needs_root
@pytest.mark.parametrize("whose", ["ours", "asyncio"])
def test_memory_runs_out_and_comes_back(tmp_path: Path, whose: str) -> None:
    import resource

    half_a_request = struct.pack(">BxI", 1, 500_000) + bytes(300_000)
    with Victim(tmp_path, "-v", "-ta", "5", words=words_of(whose)) as victim:
        victim.warm_up()
        pid, kind = victim.process.pid, resource.RLIMIT_AS
        limits = resource.prlimit(pid, kind)
        resource.prlimit(pid, kind, (victim.address_space() * 1024 + 8 * 1024 * 1024, limits[1]))
        connections = []
        try:
            for _ in range(100):
                connection = socket.create_connection((LOOPBACK, victim.port), 5)
                connections.append(connection)
                connection.settimeout(0.5)
                try:
                    connection.sendall(half_a_request)
                except OSError:
                    pass  # those for whom there is none are cut off
            assert eventually(lambda: b"MemoryError" in victim.log())
            assert victim.process.poll() is None
        finally:
            for connection in connections:
                connection.close()
        assert eventually(lambda: answers(victim), RECOVERS_WITHIN), "it has not come back"
        assert victim.log().count(b"MemoryError") <= 2 * len(connections)
        resource.prlimit(pid, kind, limits)
        victim.assert_well()
        assert victim.stop() == 0


# Room for the log


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    words = [str(mount), "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if mount is None or umount is None or subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run([umount, "-l", str(folder)], check=True)


def fill(file: FileIO) -> None:
    while True:
        file.write(bytes(4096))


@pytest.mark.faults
@needs_root
@pytest.mark.parametrize("dialect", ["dcmtk", "python"])
def test_a_full_disk_under_the_log_stops_nobody(tmp_path: Path, small_disk: Path, dialect: str) -> None:
    log, filler = small_disk / "echoscp.log", small_disk / "filler"
    config = tmp_path / "log.cfg"
    config.write_text(LOG_CONFIGURATIONS[dialect].format(path=log))
    with Victim(tmp_path, "-lc", config, *SMALL_LIMITS) as victim:
        victim.warm_up()
        assert b"Accepting Association" in log.read_bytes()
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            fill(file)
        for _ in range(200):
            victim.verify()
        full = log.stat().st_size
        filler.unlink()
        for _ in range(5):
            victim.verify()
        assert eventually(lambda: log.stat().st_size > full), "it does not log again when there is room"
        said = victim.log()
        victim.assert_well()
        assert said.count(b"\n") <= 2, said  # once, not for every line
        assert b"cannot log" in said
        assert victim.stop() == 0


LOG_CONFIGURATIONS = {
    "dcmtk": """
log4cplus.rootLogger = INFO, file
log4cplus.appender.file = log4cplus::FileAppender
log4cplus.appender.file.File = {path}
log4cplus.appender.file.ImmediateFlush = true
log4cplus.appender.file.layout = log4cplus::SimpleLayout
""",
    "python": """
[loggers]
keys = root
[handlers]
keys = file
[formatters]
keys =
[logger_root]
level = INFO
handlers = file
[handler_file]
class = FileHandler
args = ("{path}",)
""",
}


@pytest.mark.faults
@needs_root
@pytest.mark.parametrize("whose", ["ours", "asyncio"])
def test_a_full_disk_under_standard_error_stops_nobody(tmp_path: Path, whose: str) -> None:
    with Victim(tmp_path, "-v", words=words_of(whose), log_file=Path("/dev/full")) as victim:
        for _ in range(50):
            victim.verify()
        assert victim.stop() == 0


# The clock


def test_only_the_monotonic_clock_is_asked() -> None:
    # Whether a certificate has expired, and when a log file begins anew, are questions to the wall clock: tls, cli.
    source = Path(dcmecho.__file__).parent
    wall_clock = re.compile(r"\btime\.time\(|\bfrom time import .*\btime\b|\blocaltime\(|\bdatetime\b")
    files = [*source.glob("*.py"), *source.glob("aio/*.py")]
    assert len(files) > 20
    assert [path.name for path in files if wall_clock.search(path.read_text())] == []


# The network


@pytest.fixture
def lossless(network_works: None) -> Iterator[LossyNetwork]:
    with LossyNetwork() as network:
        yield network


def serving(tmp_path: Path, network: LossyNetwork, *options: str) -> Victim:
    return Victim(tmp_path, "-v", *options, words=[*network.words(1), *command("echoscp")], address=SIDES[1])


@pytest.mark.faults
@needs_root
@pytest.mark.usefixtures("network_works")
def test_lost_and_reordered_packets_delay_and_no_more(tmp_path: Path) -> None:
    with LossyNetwork(loss=0.05, reordering=0.05) as network, serving(tmp_path, network) as victim:
        words = [*network.words(0), *command("echoscu"), "-v", "--repeat", "100", SIDES[1], victim.port]
        with Program(words) as client:
            outcome = client.wait(90)
        assert outcome.code == 0, outcome
        assert outcome.errors.count("Received Echo Response (Success)") == 100
        assert network.lost > 3
        assert network.reordered > 3
        assert eventually(lambda: b"Association Released" in victim.log())
        assert_decent(victim.log())
        assert victim.stop() == 0


@pytest.mark.faults
@needs_root
def test_an_interface_that_goes_away_ends_the_client_by_its_limits(tmp_path: Path, lossless: LossyNetwork) -> None:
    with serving(tmp_path, lossless, "-ta", "1", "-td", "1", "-tn", "2") as victim:
        before = victim.descriptors()
        limits = ("-to", "1", "-ts", "1", "-ta", "1", "-td", "1")
        client_words = [*lossless.words(0), *command("echoscu"), *limits]
        words = [*client_words, "-v", "--repeat", "100000000", SIDES[1], victim.port]
        with Program(words) as client:
            client.wait_for("Received Echo Response")
            lossless.set_link(1, "down")
            outcome = client.wait(15)
        assert outcome.code == 70, outcome.lines[-3:]
        assert len([line for line in outcome.lines if line.startswith("F: ")]) == 1
        refused = run([*client_words, SIDES[1], victim.port])
        assert refused.code == 1, refused
        # The server has heard nothing of the end: its own limit tells it.
        assert eventually(lambda: victim.descriptors() <= before, 15), "it keeps the association that is gone"
        lossless.set_link(1, "up")
        assert eventually(lambda: run([*client_words, SIDES[1], victim.port]).code == 0, 15)
        assert_decent(victim.log())
        assert victim.stop() == 0


@pytest.mark.faults
@needs_root
def test_the_clients_own_interface_goes_away(tmp_path: Path, lossless: LossyNetwork) -> None:
    with serving(tmp_path, lossless) as victim:
        words = [*lossless.words(0), *command("echoscu"), "-v", "-ts", "1", "--repeat", "100000000"]
        with Program([*words, SIDES[1], victim.port]) as client:
            client.wait_for("Received Echo Response")
            lossless.set_link(0, "down")
            outcome = client.wait(15)
        assert outcome.code == 70, outcome.lines[-3:]
        assert_decent("".join(f"{line}\n" for line in outcome.lines[-50:]).encode())
