"""Two network namespaces joined by a wire that loses and reorders IP packets (Linux, root).

The wire is a pair of TUN devices and a thread between them, so that the same seed loses the same packets, and nothing
but the kernel's TUN driver is needed (netem is a module that many systems do not have).
"""

from __future__ import annotations

import os
import select
import shutil
import struct
import subprocess
import threading
from random import Random
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

TUN = "/dev/net/tun"
SIDES = ("192.0.2.1", "192.0.2.2")
"""Addresses of the client's and the server's side (RFC 5737: for documentation, and so in use nowhere)."""

_TUNSETIFF = 0x400454CA
_IFF_TUN_NO_PI = 0x1001
_HELD_BACK = 0.02
"""Seconds after which a packet that was held back goes on, if no other has overtaken it."""


def why_not() -> str:
    """Why this machine cannot have such a network; empty if it can."""
    if os.name != "posix" or os.geteuid() != 0:
        return "needs root"
    if shutil.which("ip") is None:
        return "the ip command is not installed"
    if not os.path.exists(TUN):
        return f"there is no {TUN}"
    try:
        network = LossyNetwork()
        network.close()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"network namespaces cannot be had here ({error})"
    return ""


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)


class LossyNetwork:
    """The two namespaces; `loss` and `reordering` are the parts of all packets that suffer it."""

    def __init__(self, loss: float = 0.0, reordering: float = 0.0, seed: int = 1) -> None:
        self.loss = loss
        self.reordering = reordering
        self.lost = self.reordered = 0
        self._random = Random(seed)
        self._ends: list[int] = []
        self._names = [f"dcmecho-{os.getpid()}-{side}" for side in (1, 2)]
        self._devices: list[str] = []
        self._wake, self._waker = os.pipe()
        self._thread = threading.Thread(target=self._carry, name="lossy network")
        try:
            for name, address in zip(self._names, SIDES, strict=True):
                self._make_side(name, address)
        except BaseException:
            self.close()
            raise
        self._thread.start()

    def _make_side(self, name: str, address: str) -> None:
        from fcntl import ioctl

        end = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._ends.append(end)
        told = ioctl(end, _TUNSETIFF, struct.pack("16sH22x", b"dcmecho%d", _IFF_TUN_NO_PI))
        device = told[:16].rstrip(b"\0").decode()
        self._devices.append(device)
        _ip("netns", "add", name)
        _ip("link", "set", device, "netns", name)
        _ip("-n", name, "addr", "add", f"{address}/24", "dev", device)
        _ip("-n", name, "link", "set", device, "up")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._thread.is_alive():
            os.write(self._waker, b"x")
            self._thread.join(10)
        for number in (*self._ends, self._wake, self._waker):
            os.close(number)
        for name in self._names[: len(self._ends)]:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True, timeout=20)

    def words(self, side: int) -> list[str]:
        """The words that start a program on one side: 0 is the client's, 1 the server's."""
        return ["ip", "netns", "exec", self._names[side]]

    def set_link(self, side: int, state: str) -> None:
        """Take the interface of one side down, or up again."""
        _ip("-n", self._names[side], "link", "set", self._devices[side], state)

    def _carry(self) -> None:
        held: list[tuple[int, bytes]] = []
        while True:
            ready, _, _ = select.select([*self._ends, self._wake], [], [], _HELD_BACK if held else None)
            if self._wake in ready:
                return
            for end in ready:
                other = self._ends[1 - self._ends.index(end)]
                self._pass_on(other, self._read(end), held)
            if not ready:
                while held:
                    self._write(*held.pop())

    def _pass_on(self, end: int, packet: bytes, held: list[tuple[int, bytes]]) -> None:
        if not packet:
            return
        fate = self._random.random()
        if fate < self.loss:
            self.lost += 1
        elif fate < self.loss + self.reordering:
            self.reordered += 1
            held.append((end, packet))
        else:
            self._write(end, packet)
            while held:
                self._write(*held.pop())

    @staticmethod
    def _read(end: int) -> bytes:
        try:
            return os.read(end, 65536)
        except OSError:  # the interface is down
            return b""

    @staticmethod
    def _write(end: int, packet: bytes) -> None:
        try:
            os.write(end, packet)
        except OSError:  # the interface is down
            pass
