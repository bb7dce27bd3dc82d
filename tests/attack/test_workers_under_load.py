"""What a worker that is killed costs while all of them are busy, and how a busy server stops."""

from __future__ import annotations

import os
import re
import signal
import time
from typing import TYPE_CHECKING

import pytest

from dcmecho.cli.serving import GRACE
from peers import abortion, eventually
from programs import free_port

from .load import ABORTED, LOST, RELEASED, Load
from .metrics import labelled, scrape
from .victim import HAS_PROC, Process, Victim, assert_decent

if TYPE_CHECKING:
    from pathlib import Path

    from .load import Echoer

pytestmark = pytest.mark.skipif(not HAS_PROC, reason="who serves whom is read from /proc")

WORKERS = 2
ASSOCIATIONS = 48
"""So many that one of two workers always has some, and a new one some of those that a dead one had (1 in a million)."""

BY_SHUTDOWN = abortion(0)
"""What the server sends when the grace is over."""


def served_by(worker: Process, load: Load) -> set[Echoer]:
    ports = worker.ports_of_peers()
    return {each for each in load.echoers if each.port in ports}


def kill(victim: Victim, load: Load, worker: Process) -> str:
    """Kill a worker; see that its associations are lost, and had again, and no other; return what the log is to say."""
    parts = [served_by(each, load) for each in victim.workers()]
    assert sum(map(len, parts)) == ASSOCIATIONS
    hit, ends = served_by(worker, load), {each: len(each.ends) for each in load.echoers}
    assert hit
    os.kill(worker.pid, signal.SIGKILL)
    assert eventually(lambda: load.ends(LOST) >= sum(ends.values()) + len(hit))
    load.await_echoes()
    assert {each: len(each.ends) - ends[each] for each in load.echoers} == {each: each in hit for each in load.echoers}
    assert eventually(lambda: len(victim.workers()) == WORKERS)
    return f"(process {worker.pid}) ended by signal 9, {len(hit)} associations lost; it is replaced"


def test_killed_workers_lose_their_own_associations_for_a_moment_and_nothing_else(tmp_path: Path) -> None:
    metrics_port = free_port()
    with Victim(tmp_path, "--workers", WORKERS, "--metrics-port", metrics_port) as victim:
        first, second = victim.workers()
        held = Process(victim.process.pid).descriptors()
        with Load(victim, ASSOCIATIONS) as load:
            told = [kill(victim, load, first)]
            assert load.ends(LOST) < ASSOCIATIONS
            (replacement,) = [each for each in victim.workers() if each.pid != second.pid]
            told += [kill(victim, load, replacement), kill(victim, load, second)]
            lost = load.ends(LOST)
            assert scrape(metrics_port)["associations_open"] == ASSOCIATIONS
        load.assert_no_failure()
        # One line about each death, and none about anything else.
        lines = victim.log().decode().splitlines()
        assert [re.sub(r"^E: Worker [12] ", "", line) for line in lines] == told
        samples = scrape(metrics_port)
        assert samples["worker_restarts_total"] == len(told)
        assert samples["associations_open"] == 0
        assert samples["associations_accepted_total"] == samples["connections_total"] == ASSOCIATIONS + lost
        assert labelled(samples, "associations_ended_total") == {"released": ASSOCIATIONS, "worker-died": lost}
        # What a killed worker has counted as answered may have been on its way to each that was lost.
        answered = sum([each.echoes for each in load.echoers])
        assert answered <= samples['echoes_total{status="success"}'] <= answered + lost
        victim.verify()
        assert eventually(lambda: Process(victim.process.pid).descriptors() == held)
        assert victim.stop() == 0


def test_busy_associations_get_the_grace_and_then_an_abort(tmp_path: Path) -> None:
    with Victim(tmp_path, "-v", "--workers", WORKERS) as victim:
        processes = victim.processes()
        with Load(victim, ASSOCIATIONS) as load:
            assert all(served_by(each, load) for each in processes[1:])
            told_at = time.monotonic()
            victim.process.send_signal(signal.SIGTERM)
            assert eventually(lambda: b"I: Stopping" in victim.log())
            load.await_echoes(20)
            in_time = load.echoers[: ASSOCIATIONS // 2]
            load.release(in_time)
            assert [each.ends for each in in_time] == [[RELEASED]] * len(in_time)
            late = load.echoers[ASSOCIATIONS // 2 :]
            echoes = [each.echoes for each in late]
            assert eventually(lambda: not any(each.is_alive() for each in late), 2 * GRACE)
            assert time.monotonic() - told_at >= GRACE
        load.assert_no_failure()
        assert [(each.ends, each.last_pdu) for each in late] == [([ABORTED], BY_SHUTDOWN)] * len(late)
        assert all(each.echoes > before for each, before in zip(late, echoes, strict=True))
        assert victim.process.wait(10) == 0
        assert [each.pid for each in processes if each.is_there()] == []
        log = victim.log()
        assert_decent(log)
        assert log.count(b"I: Association Released\n") == len(in_time)
        assert log.count(b" ended (shutdown): this server is shutting down\n") == len(late)
        assert b"\nE: " not in log
        assert b"\nW: " not in log
