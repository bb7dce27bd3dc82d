"""Every benchmark, in the order of the printed table. A further module is added here and nowhere else."""

from __future__ import annotations

from . import client, codec, imports, load, server, startup, tls

BENCHMARKS = (
    *startup.BENCHMARKS,
    *client.BENCHMARKS,
    *tls.BENCHMARKS,
    *server.BENCHMARKS,
    *load.BENCHMARKS,
    *codec.BENCHMARKS,
    *imports.BENCHMARKS,
)
