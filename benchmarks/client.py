"""echoscu on one association: echoes a second, and what an echo costs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .figures import (
    C_SERVER,
    DCMTK,
    OURS,
    PYNETDICOM,
    Benchmark,
    MeasurementError,
    Report,
    Sample,
    Samples,
    at_least,
    at_most,
)
from .harness import Bench, Served, choose_repeat, interleave, per_echo, run_client, serving
from .programs import NO_DELAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from .programs import Client, Server


def _per_echo_samples(bench: Bench, server: Server, clients: list[Client], key: str) -> Samples:
    """Sample what one echo takes of `key` (``wall`` or ``cpu``): a long run less a run with one echo, by its echoes."""
    with serving(server, bench.directory) as served:
        subjects: dict[str, Callable[[], Sample]] = {}
        problems: dict[str, str] = {}
        for client in clients:
            try:
                subjects[client.name] = _subject(bench, served, client, key)
            except MeasurementError as error:
                problems[client.name] = str(error)
        samples = interleave(bench.runs, subjects)
    samples.problems.update(problems)
    return samples


def _subject(bench: Bench, served: Served, client: Client, key: str) -> Callable[[], Sample]:
    def spent(repeat: int) -> float:
        return run_client(client, served.port, repeat, bench.directory)[key]

    repeat = choose_repeat(spent, bench.seconds)

    def sample() -> Sample:
        seconds = per_echo(spent(1), spent(repeat), repeat)
        return {"rate": 1 / seconds, "us": seconds * 1e6}

    return sample


def measure_stock(bench: Bench) -> Report:
    """Against a storescp as it comes: it writes PDU header and body apart, so acknowledgements decide."""
    clients = bench.programs.some_clients(DCMTK, PYNETDICOM, OURS)
    samples = _per_echo_samples(bench, bench.programs.server(DCMTK), clients, "wall")
    title = "echoscu, echoes/s on one association, stock storescp"
    return Report((samples.figure("client-stock", title, "/s", "rate", at_least(500, DCMTK)),))


def measure_no_delay(bench: Bench) -> Report:
    """The same with TCP_NODELAY=1 for both of DCMTK's programs."""
    stock = bench.programs.server(DCMTK)
    server = replace(stock, environment=NO_DELAY)
    clients = [
        replace(client, environment=NO_DELAY if client.name == DCMTK else {})
        for client in bench.programs.some_clients(DCMTK, PYNETDICOM, OURS)
    ]
    samples = _per_echo_samples(bench, server, clients, "wall")
    title = "the same with TCP_NODELAY=1 for both DCMTK programs"
    return Report((samples.figure("client-nodelay", title, "/s", "rate", at_least(1, DCMTK)),))


def measure_cpu(bench: Bench) -> Report:
    """User and system time of echoscu for one echo, against a C server that answers at once."""
    server = replace(bench.programs.server(C_SERVER), start=(str(bench.natives.path("scp")), "single"))
    clients = bench.programs.some_clients(DCMTK, PYNETDICOM, OURS)
    samples = _per_echo_samples(bench, server, clients, "cpu")
    title = "echoscu, CPU per echo, a server that answers at once"
    return Report((samples.figure("client-cpu", title, "us", "us", at_most(1.5, DCMTK)),))


BENCHMARKS = (
    Benchmark("client-stock", "echoscu against a stock storescp: echoes/s", measure_stock),
    Benchmark("client-nodelay", "echoscu against storescp, TCP_NODELAY=1: echoes/s", measure_no_delay),
    Benchmark("client-cpu", "echoscu: CPU per echo", measure_cpu),
)
