"""What a server tells of itself on its metrics port."""

from __future__ import annotations

import socket

from programs import LOOPBACK, PATIENCE


def scrape(port: int) -> dict[str, float]:
    """Return every sample of ``/metrics`` by its name with its labels, without the prefix that all of them have."""
    with socket.create_connection((LOOPBACK, port), timeout=PATIENCE) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        response = b""
        while data := connection.recv(65536):
            response += data
    head, _, body = response.decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 "), head
    rows = [line.rpartition(" ") for line in body.splitlines() if not line.startswith("#")]
    return {name.removeprefix("dcmecho_"): float(value) for name, _, value in rows}


def labelled(samples: dict[str, float], name: str) -> dict[str, float]:
    """Return what is not zero of a family with one label, by the label's value."""
    return {
        sample.partition('"')[2].rpartition('"')[0]: value
        for sample, value in samples.items()
        if sample.startswith(f"{name}{{") and value
    }
