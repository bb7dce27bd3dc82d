"""Every benchmark, in the order of the printed table. A further module is added here and nowhere else."""

from __future__ import annotations

from . import client, codec, crowd, imports, load, server, startup, tls, workers

BENCHMARKS = (
    *startup.BENCHMARKS,
    *client.BENCHMARKS,
    *tls.BENCHMARKS,
    *server.BENCHMARKS,
    *load.BENCHMARKS,
    *workers.BENCHMARKS,
    *crowd.BENCHMARKS,
    *codec.BENCHMARKS,
    *imports.BENCHMARKS,
)
