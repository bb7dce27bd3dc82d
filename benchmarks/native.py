"""The small C programs of `native/`: compiled anew for each run, and their one line of output."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from .figures import MeasurementError, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCES = Path(__file__).parent / "native"
PROGRAMS = ("pingpong", "scu", "scp", "load", "crowd")
FLAGS = ("-O2", "-D_GNU_SOURCE", "-Wall", "-Wextra")
LIMIT_SLACK = 30.0


def compiler() -> str | None:
    return shutil.which("cc")


def compile_program(cc: str, name: str, directory: Path, extra: Sequence[str] = ()) -> Path:
    """Compile ``native/NAME.c``; raises MeasurementError with the compiler's words where it cannot be."""
    target = directory / name
    command = [cc, *FLAGS, *extra, "-o", str(target), str(SOURCES / f"{name}.c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MeasurementError(f"{name}.c does not compile: {done.stderr.strip()}")
    return target


class Natives:
    """The C programs, compiled into a directory where there is a compiler."""

    def __init__(self, directory: Path) -> None:
        self._paths: dict[str, Path] = {}
        self._problems: dict[str, str] = {}
        cc = compiler()
        for name in PROGRAMS:
            try:
                if cc is None:
                    raise MeasurementError("no C compiler (cc)")
                self._paths[name] = compile_program(cc, name, directory)
            except MeasurementError as error:
                self._problems[name] = str(error)

    def path(self, name: str) -> Path:
        """Return where a program is; raises MeasurementError where it could not be compiled."""
        if name in self._problems:
            raise MeasurementError(self._problems[name])
        return self._paths[name]

    def run(self, name: str, *arguments: str, seconds: float) -> Sample:
        """Run a program that measures for about `seconds`; return the values of its line of output."""
        path = self.path(name)
        try:
            done = subprocess.run(
                [str(path), *arguments],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds + LIMIT_SLACK,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise MeasurementError(f"{name} did not end in time") from None
        if done.returncode != 0:
            raise MeasurementError(f"{name} {arguments[0]}: {done.stderr.strip()}")
        return parse_line(done.stdout)


def parse_line(line: str) -> Sample:
    """Return the values of ``rate=18500.0 count=18500``."""
    values: Sample = {}
    for word in line.split():
        key, equals, value = word.partition("=")
        try:
            values[key] = float(value)
        except ValueError:
            equals = ""
        if not equals:
            raise MeasurementError(f"not a measurement: {line.strip()!r}")
    if not values:
        raise MeasurementError("no measurement in the output")
    return values
