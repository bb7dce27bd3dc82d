"""Fuzz each target for so many seconds, and exit with 1 if one finds something.

    python tests/fuzz/run.py --seconds 30                 as CI does, with a fixed seed
    python tests/fuzz/run.py --seconds 3600 --seed 0      long, with a seed of the moment
    python tests/fuzz/run.py --seconds 600 --keep         and add to the corpus what reaches new code

With atheris (`pip install atheris`) inputs are guided by coverage; without it they are mutated at random. What fails is
written to a file whose name is printed: put it into `tests/fuzz/corpus/TARGET` once it is mended.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import subprocess
import sys
import tempfile
import time
import traceback
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

_TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(_TESTS))  # this is a program, not a module of a package
sys.path.append(str(_TESTS.parent / "src"))  # where it is not installed

from fuzz.corpus import CORPUS, TARGETS, Way, found, stored, ways_of  # noqa: E402 - found by the lines above
from fuzz.mutations import MAX_LENGTH, mutated  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

CORPUS_LIMIT = 64 * 1024
"""Bytes that the corpus of one target may have."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=30, help="for each target (default: 30)")
    parser.add_argument("--seed", type=int, default=1, help="0 is one of the moment (default: 1)")
    parser.add_argument("--target", choices=sorted(TARGETS), action="append", help="only this one (may be repeated)")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help="where to put what fails")
    parser.add_argument("--keep", action="store_true", help="add to the corpus what reaches new code (with atheris)")
    parser.add_argument("--random", action="store_true", help="mutate at random even if there is atheris")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments, rest = parser.parse_known_args()
    targets = arguments.target or sorted(TARGETS)
    if arguments.inside:
        _fuzz_inside(targets[0], rest)
        return 0
    if rest:
        parser.error(f"unknown arguments: {' '.join(rest)}")
    arguments.findings.mkdir(parents=True, exist_ok=True)
    guided = not arguments.random and find_spec("atheris") is not None
    failed = []
    for target in targets:
        fuzz = _guided if guided else _unguided
        if not fuzz(target, arguments):
            failed.append(target)
    if not any(arguments.findings.iterdir()):
        arguments.findings.rmdir()
    print(f"fuzzing {'guided by coverage' if guided else 'at random'}: {_verdict(failed)}")
    return 1 if failed else 0


def _verdict(failed: list[str]) -> str:
    return f"FAILED in {', '.join(failed)}" if failed else "nothing found"


# Guided by coverage: in a process of its own, which atheris ends


def _guided(target: str, arguments: argparse.Namespace) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        grown = Path(folder, "grown")
        start = Path(folder, "start")
        for each in (grown, start):
            each.mkdir()
        for data in stored(target):
            (start / hashlib.sha1(data).hexdigest()).write_bytes(data)
        words = [
            *(sys.executable, __file__, "--target", target, "--inside"),
            *(f"-max_total_time={arguments.seconds}", f"-seed={arguments.seed}", f"-max_len={MAX_LENGTH}"),
            *("-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1", "-verbosity=0"),
            f"-artifact_prefix={arguments.findings}/{target}-",
        ]
        done = subprocess.run([*words, str(grown), str(start)], check=False)
        if arguments.keep and done.returncode == 0:
            _keep(target, sorted(grown.iterdir(), key=lambda path: (path.stat().st_size, path.name)))
    print(f"{target}: {'nothing found' if done.returncode == 0 else f'exit code {done.returncode}'}", flush=True)
    return done.returncode == 0


def _fuzz_inside(target: str, words: list[str]) -> None:
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["dcmecho"]):
        run: Callable[[bytes], None] = importlib.import_module(TARGETS[target]).run
    atheris.Setup([sys.argv[0], *words], run)
    atheris.Fuzz()


def _keep(target: str, candidates: list[Path]) -> None:
    """Add to the corpus what goes a way through the code that nothing in it goes yet; the small first."""
    run: Callable[[bytes], None] = importlib.import_module(TARGETS[target]).run
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    room = CORPUS_LIMIT - sum(path.stat().st_size for path in found(target))
    ways: set[Way] = set()
    for data in stored(target):
        ways |= ways_of(run, data)
    for path in candidates:
        data = path.read_bytes()
        new = ways_of(run, data) - ways
        if new and len(data) <= room:
            ways |= new
            room -= len(data)
            (folder / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)


# At random


def _unguided(target: str, arguments: argparse.Namespace) -> bool:
    run: Callable[[bytes], None] = importlib.import_module(TARGETS[target]).run
    random = Random(arguments.seed or None)
    corpus, until, count = stored(target), time.monotonic() + arguments.seconds, 0
    while time.monotonic() < until:
        data = mutated(random.choice(corpus), random.choice(corpus), random)
        count += 1
        try:
            run(data)
        except Exception:  # noqa: BLE001 - whatever it is, it is a finding
            traceback.print_exc()
            path = arguments.findings / f"{target}-{hashlib.sha1(data).hexdigest()}"
            path.write_bytes(data)
            print(f"{target}: FAILED after {count} inputs, see {path}", flush=True)
            return False
    print(f"{target}: {count} inputs, nothing found", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
