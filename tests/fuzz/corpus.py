"""The inputs that fuzzing begins with: made from the bytes of real peers, and found before."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

CORPUS = Path(__file__).resolve().parent / "corpus"
"""Inputs found before, a folder for each target, a file for each input, named after its hash."""

TARGETS = {"association": "fuzz.fuzz_association", "decoder": "fuzz.fuzz_decoder"}


def found(target: str) -> list[Path]:
    """The files that were found before."""
    return sorted((CORPUS / target).glob("*"))


def stored(target: str) -> list[bytes]:
    """Every input of a target's corpus, in a fixed order."""
    seeds: list[bytes] = importlib.import_module(TARGETS[target]).seeds()
    return seeds + [path.read_bytes() for path in found(target)]


Way = tuple[str, int, int]
"""A file of ours, a line of it, and the line that was run before it in the same function."""


def ways_of(run: Callable[[bytes], None], data: bytes) -> set[Way]:
    """The ways through our code that an input goes."""
    ways: set[Way] = set()

    def enter(frame: FrameType, _event: str, _argument: object) -> Any:
        if "dcmecho" not in frame.f_code.co_filename:
            return None
        last = 0

        def step(frame: FrameType, event: str, _argument: object) -> Any:
            nonlocal last
            if event == "line":
                ways.add((frame.f_code.co_filename, last, frame.f_lineno))
                last = frame.f_lineno
            return step

        return step

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        run(data)
    finally:
        sys.settrace(before)
    return ways
