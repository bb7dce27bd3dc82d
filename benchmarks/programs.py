"""Where the programs are, and how each is started."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .figures import C_SERVER, DCMTK, LIMIT, ORTHANC, OURS, PYNETDICOM, MeasurementError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .native import Natives

NO_DELAY = {"TCP_NODELAY": "1"}


@dataclass(frozen=True)
class Client:
    """An echoscu: what stands before ``[--repeat N] peer port``."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    attempts: int = 1


@dataclass(frozen=True)
class Server:
    """An SCP: what stands before ``port``."""

    name: str
    start: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    processor: int | None = None

    def command(self, port: int, home: Path) -> tuple[str, ...]:
        """Return the command line for a port; `home` is an empty directory for whatever the server keeps."""
        return (*self.start, str(port))


class OrthancServer(Server):
    """Takes its port from a configuration file."""

    def command(self, port: int, home: Path) -> tuple[str, ...]:
        configuration = home / "orthanc.json"
        configuration.write_text(json.dumps(orthanc_configuration(port, home)))
        return (*self.start, str(configuration))


@dataclass(frozen=True)
class Programs:
    """What is there to measure; `absent` says why a program is not."""

    clients: Mapping[str, Client]
    servers: Mapping[str, Server]
    absent: Mapping[str, str]

    def server(self, name: str) -> Server:
        """Return a server that the measurement cannot do without; raises MeasurementError where it is absent."""
        if name not in self.servers:
            raise MeasurementError(f"no {name} server here")
        return self.servers[name]

    def some_clients(self, *names: str) -> list[Client]:
        return [self.clients[name] for name in names if name in self.clients]

    def some_servers(self, *names: str) -> list[Server]:
        return [self.servers[name] for name in names if name in self.servers]


def find(echoscu: Sequence[str] | None, echoscp: Sequence[str] | None, natives: Natives) -> Programs:
    """Find every program; the two arguments stand in for ours."""
    clients: dict[str, Client] = {}
    servers: dict[str, Server] = {}
    absent: dict[str, str] = {}
    _find_ours(clients, servers, absent, echoscu, echoscp)
    _find_dcmtk(clients, servers, absent)
    _find_pynetdicom(clients, servers, absent)
    _find_orthanc(servers, absent)
    for name, program, mode in ((LIMIT, "pingpong", "server"), (C_SERVER, "scp", "epoll")):
        try:
            servers[name] = Server(name, (str(natives.path(program)), mode))
        except MeasurementError as error:
            absent[name] = str(error)
    return Programs(clients, servers, absent)


def pinned(found: Programs, processor: int) -> Programs:
    """Return the same with every server on one processor."""
    servers = {name: replace(server, processor=processor) for name, server in found.servers.items()}
    return replace(found, servers=servers)


def own_script(name: str) -> Path:
    return Path(sys.prefix) / "bin" / name


def _find_ours(
    clients: dict[str, Client],
    servers: dict[str, Server],
    absent: dict[str, str],
    echoscu: Sequence[str] | None,
    echoscp: Sequence[str] | None,
) -> None:
    scu = tuple(echoscu) if echoscu else (str(own_script("echoscu")),)
    scp = tuple(echoscp) if echoscp else (str(own_script("echoscp")), "-ba", "127.0.0.1")
    if shutil.which(scu[0]):
        clients[OURS] = Client(OURS, scu)
    else:
        absent[f"{OURS} (echoscu)"] = f"no {scu[0]}"
    if shutil.which(scp[0]):
        servers[OURS] = Server(OURS, scp)
    else:
        absent[f"{OURS} (echoscp)"] = f"no {scp[0]}"


def _find_dcmtk(clients: dict[str, Client], servers: dict[str, Server], absent: dict[str, str]) -> None:
    # The interpreter's own directory may hold ours and pynetdicom's programs of the same names.
    own = Path(sys.prefix).resolve() / "bin"
    path = os.pathsep.join(p for p in os.get_exec_path() if Path(p).resolve() != own)
    for name in ("echoscu", "storescp"):
        found = shutil.which(name, path=path)
        if found is None or "dcmtk" not in version_line([found, "--version"]):
            absent[f"{DCMTK} ({name})"] = f"no DCMTK {name} on the PATH"
        elif name == "echoscu":
            clients[DCMTK] = Client(DCMTK, (found,))
        else:
            servers[DCMTK] = Server(DCMTK, (found,))


def _find_pynetdicom(clients: dict[str, Client], servers: dict[str, Server], absent: dict[str, str]) -> None:
    if importlib.util.find_spec("pynetdicom") is None:
        absent[PYNETDICOM] = "not installed beside this interpreter"
        return
    # A long run now and then loses its association for a reason of its own.
    clients[PYNETDICOM] = Client(PYNETDICOM, (sys.executable, "-m", "pynetdicom", "echoscu"), attempts=4)
    servers[PYNETDICOM] = Server(PYNETDICOM, (sys.executable, "-m", "pynetdicom", "echoscp", "-ba", "127.0.0.1"))


def _orthanc() -> str | None:
    # Debian puts it where only root's PATH looks.
    return shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin")


def _find_orthanc(servers: dict[str, Server], absent: dict[str, str]) -> None:
    program = _orthanc()
    if program is None:
        absent[ORTHANC] = "no Orthanc on the PATH"
    else:
        servers[ORTHANC] = OrthancServer(ORTHANC, (program,))


def orthanc_configuration(port: int, home: Path) -> dict[str, object]:
    """Return settings for an Orthanc that serves DICOM to anybody and nothing else."""
    return {
        "Name": "benchmark",
        "StorageDirectory": str(home / "storage"),
        "IndexDirectory": str(home / "index"),
        "HttpServerEnabled": False,
        "DicomServerEnabled": True,
        "DicomAet": "ANY-SCP",
        "DicomPort": port,
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowEcho": True,
    }


def version_line(command: Sequence[str]) -> str:
    """Return the first line of what a program says of its version, or an empty string."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = (done.stdout or done.stderr).splitlines()
    return lines[0].strip("$ ") if lines else ""


def versions(programs: Programs) -> dict[str, str]:
    """Return what was measured, on what."""
    found = {
        "machine": f"{os.cpu_count()} x {processor()}, {platform.system()} {platform.release()}",
        "Python": platform.python_version(),
    }
    for package in ("dcmecho", "pynetdicom", "pydicom"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    if DCMTK in programs.servers:
        found[DCMTK] = version_line([programs.servers[DCMTK].start[0], "--version"])
    if ORTHANC in programs.servers:
        found[ORTHANC] = version_line([programs.servers[ORTHANC].start[0], "--version"])
    return found


def processor() -> str:
    """Return the processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
