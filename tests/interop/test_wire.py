"""What crosses the wire, decoded by Wireshark's tshark: it finds nothing to complain of."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from programs import LOOPBACK, PATIENCE, command, echoscp, run

from .conftest import Peer, need

pytestmark = pytest.mark.interop

CLIENT_PORT = 40000
SERVER_PORT = 11112
SEGMENT = 1400
"""Bytes of a packet that we write."""


class Relay:
    """Passes one connection on to a port and remembers its bytes: (whether the client sent them, bytes)."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server((LOOPBACK, 0))
        self._listener.settimeout(PATIENCE)
        self.port: int = self._listener.getsockname()[1]
        self.chunks: list[tuple[bool, bytes]] = []
        self._thread = threading.Thread(target=self._work, name="relay")
        self._thread.start()

    def _work(self) -> None:
        client, _ = self._listener.accept()
        with client, socket.create_connection((LOOPBACK, self._target)) as server:
            back = threading.Thread(target=self._pass, args=(server, client, False), name="relay back")
            back.start()
            self._pass(client, server, True)
            back.join(PATIENCE)

    def _pass(self, source: socket.socket, target: socket.socket, is_from_client: bool) -> None:
        try:
            while data := source.recv(65536):
                self.chunks.append((is_from_client, data))
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # one side has gone

    def close(self) -> None:
        self._thread.join(PATIENCE)
        self._listener.close()


@contextmanager
def relay(target: int) -> Iterator[Relay]:
    passing = Relay(target)
    try:
        yield passing
    finally:
        passing.close()


def write_capture(path: Path, chunks: list[tuple[bool, bytes]]) -> None:
    """Write a capture file: raw IPv4 packets, with TCP's sequence numbers and without checksums."""
    sequence = {True: 1, False: 1}
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        number = 0
        for is_from_client, data in chunks:
            ports = (CLIENT_PORT, SERVER_PORT) if is_from_client else (SERVER_PORT, CLIENT_PORT)
            for place in range(0, len(data), SEGMENT):
                part = data[place : place + SEGMENT]
                tcp = struct.pack(
                    ">HHIIBBHHH",
                    *ports,
                    sequence[is_from_client],
                    sequence[not is_from_client],
                    0x50,
                    0x18,
                    65535,
                    0,
                    0,
                )
                address = socket.inet_aton(LOOPBACK)
                ip = struct.pack(">BBHHHBBH", 0x45, 0, 40 + len(part), 0, 0, 64, 6, 0) + address + address
                packet = ip + tcp + part
                file.write(struct.pack("<IIII", number // 1000, number % 1000, len(packet), len(packet)) + packet)
                sequence[is_from_client] += len(part)
                number += 1


def decoded(capture: Path, shown: str, *fields: str) -> list[list[str]]:
    """Return fields of the packets that a display filter shows."""
    words = [
        need("tshark"),
        "-r",
        capture,
        "-d",
        f"tcp.port=={SERVER_PORT},dicom",
        "-Y",
        shown,
        "-T",
        "fields",
        "-E",
        "aggregator=;",
    ]
    for field in fields:
        words += ["-e", field]
    outcome = run(words)
    assert outcome.code == 0, outcome
    return [line.split("\t") for line in outcome.output.splitlines()]


def pdu_types(capture: Path) -> list[str]:
    return [kind for (kinds,) in decoded(capture, "dicom.pdu.type", "dicom.pdu.type") for kind in kinds.split(";")]


def complaints(capture: Path) -> list[str]:
    """Return what tshark finds remarkable."""
    found = decoded(capture, "_ws.malformed || _ws.expert", "_ws.expert.message", "_ws.malformed")
    return [text for texts in found for text in texts if text]


ASKED = ["0x01", "0x02", "0x04", "0x04"]


@pytest.mark.parametrize(
    ("words", "types", "remarks"),
    [
        ([], [*ASKED, "0x05", "0x06"], []),
        (["-pts", "50", "-ppc", "128", "--repeat", "3"], [*ASKED, *["0x04"] * 4, "0x05", "0x06"], []),
        (["--abort", "-xe"], [*ASKED, "0x07"], ["Association aborted"]),
    ],
    ids=["plain", "much proposed", "abort"],
)
@pytest.mark.parametrize("server", ["ours", "storescp"])
def test_both_sides(
    request: pytest.FixtureRequest, tmp_path: Path, server: str, words: list[str], types: list[str], remarks: list[str]
) -> None:
    need("tshark")
    capture = tmp_path / "capture.pcap"
    if server == "ours":
        with echoscp() as (_, port):
            record(port, capture, words)
    else:
        peer: Peer = request.getfixturevalue("stock_storescp")
        record(peer.port, capture, words)
    assert pdu_types(capture) == types
    assert complaints(capture) == remarks


def record(port: int, capture: Path, words: list[str]) -> None:
    """Run echoscu against a server through a relay; write what crossed."""
    with relay(port) as passing:
        outcome = run([*command("echoscu"), *words, LOOPBACK, passing.port])
    assert (outcome.code, outcome.errors) == (0, "")
    write_capture(capture, passing.chunks)


def test_what_is_proposed(tmp_path: Path) -> None:
    capture = tmp_path / "capture.pcap"
    with echoscp() as (_, port):
        record(port, capture, ["-pts", "53", "-ppc", "128", "-aec", "PACS", "-aet", "WS1"])
    fields = ["dicom.assoc.ae.called", "dicom.assoc.ae.calling", "dicom.pctx.id", "dicom.pctx.xfer.syntax"]
    ((called, calling, ids, syntaxes),) = decoded(capture, "dicom.pdu.type == 1", *fields)
    assert (called.strip(), calling.strip()) == ("PACS", "WS1")
    assert ids.split(";") == [f"0x{number:02x}" for number in range(1, 256, 2)]
    assert len(syntaxes.split(";")) == 128 * 53
    ((results,),) = decoded(capture, "dicom.pdu.type == 2", "dicom.pctx.result")
    assert results.split(";") == ["0x00"] * 128
    assert complaints(capture) == []


def test_a_mistake_would_be_seen(tmp_path: Path) -> None:
    capture = tmp_path / "capture.pcap"
    with echoscp() as (_, port):
        record(port, capture, [])
    data = bytearray(capture.read_bytes())
    place = data.index(b"\x04\x00\x00\x00\x00\x4a")
    data[place + 10] = 99  # the presentation context id of the echo request
    capture.write_bytes(data)
    assert complaints(capture) != []
