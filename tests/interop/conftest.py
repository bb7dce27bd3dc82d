"""Starts the real peers, each on a free port of 127.0.0.1; what is not installed is skipped, or fails with CI=true."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from programs import LOOPBACK, Program, free_port, run, wait_for_port

ODIL_SCP = """
import sys
import odil

while True:
    association = odil.Association()
    try:
        association.receive_association("v4", int(sys.argv[1]))
        scp = odil.EchoSCP(association)
        scp.set_callback(lambda request: 0)
        while True:
            scp(association.receive_message())
    except Exception as end:
        print(end, flush=True)
"""
"""odil has no echo server among its commands, but in its library."""


def missing(what: str) -> None:
    """Skip a test for want of a peer; fail it where all are expected to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is not installed")
    pytest.skip(f"{what} is not installed")


def need(name: str) -> str:
    """Return the path of a program."""
    path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
    if path is None:
        missing(name)
    return str(path)


def need_dcmtk(name: str) -> str:
    """Return the path of a program of DCMTK: pynetdicom and we have some of the same name."""
    directories = os.environ.get("PATH", "").split(os.pathsep)
    scripts = {os.path.dirname(sys.executable)}
    others = [each for each in directories if each not in scripts]
    path = shutil.which(name, path=os.pathsep.join(others))
    if path is None or "dcmtk" not in run([path, "--version"]).output:
        missing(f"{name} of DCMTK")
    return str(path)


def need_pynetdicom() -> list[str]:
    """Return the words that start pynetdicom's commands."""
    words = [sys.executable, "-m", "pynetdicom"]
    if run([*words, "--version"]).code:
        missing("pynetdicom")
    return words


def need_odil_python() -> str:
    """Return a Python that has odil's bindings."""
    for path in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(path) and run([path, "-c", "import odil"]).code == 0:
            return path
    missing("python3-odil")
    return ""


class Peer:
    """A real peer that listens on `port` as `title`."""

    def __init__(self, port: int, title: str, program: Program) -> None:
        self.port = port
        self.title = title
        self.program = program


@contextmanager
def storescp(*options: str, **environment: str) -> Iterator[Peer]:
    """DCMTK's storage server, which answers echoes too."""
    port = free_port()
    with Program([need_dcmtk("storescp"), "--ignore", *options, port], **environment) as program:
        wait_for_port(port, program)
        yield Peer(port, "STORESCP", program)


@pytest.fixture(scope="session")
def stock_storescp() -> Iterator[Peer]:
    with storescp() as peer:
        yield peer


@pytest.fixture(scope="session")
def prompt_storescp() -> Iterator[Peer]:
    """The same without Nagle's algorithm."""
    with storescp(TCP_NODELAY="1") as peer:
        yield peer


@pytest.fixture(scope="session")
def pynetdicom_echoscp() -> Iterator[Peer]:
    port = free_port()
    with Program([*need_pynetdicom(), "echoscp", "-ba", LOOPBACK, port]) as program:
        wait_for_port(port, program)
        yield Peer(port, "ECHOSCP", program)


@pytest.fixture(scope="session")
def odil_echoscp() -> Iterator[Peer]:
    port = free_port()
    with Program([need_odil_python(), "-c", ODIL_SCP, port]) as program:
        yield Peer(port, "ODIL", program)


class Orthanc(Peer):
    """Orthanc, with the port of its REST interface."""

    def __init__(self, port: int, http_port: int, program: Program) -> None:
        super().__init__(port, "ORTHANC", program)
        self.http_port = http_port


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    folder: Path = tmp_path_factory.mktemp("orthanc")
    port, http_port = free_port(), free_port()
    configuration = folder / "orthanc.json"
    settings = {
        "Name": "interop",
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": True,
        "DicomPort": port,
        "HttpPort": http_port,
        "HttpBindAddresses": [LOOPBACK],
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [],
    }
    configuration.write_text(json.dumps(settings), encoding="utf-8")
    with Program([need("Orthanc"), configuration]) as program:
        wait_for_port(http_port, program)
        wait_for_port(port, program)
        yield Orthanc(port, http_port, program)
