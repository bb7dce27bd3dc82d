"""Figures as a table for the terminal, as Markdown and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .figures import OURS, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .figures import Figure, Target, Value

COLUMNS = ("figure", "peers", "ours", "ratio", "target", "met?")
UNITS = {"us": "µs"}
VERDICTS = {True: "yes", False: "NO", None: ""}


def amount(value: float, unit: str) -> str:
    return f"{number(value)} {UNITS.get(unit, unit)}".replace(" /s", "/s").rstrip()


def value_text(value: Value, unit: str) -> str:
    text = amount(value.median, unit)
    return f"{text} ({value.note})" if value.note else text


def target_text(target: Target, unit: str) -> str:
    bound = amount(target.bound, unit) if target.peer is None else f"{number(target.bound)} x {target.peer}"
    return f"{target.rule} {bound}"


def ratio_text(figure: Figure, target: Target) -> str:
    if target.peer is None:
        return ""
    ratio = figure.ratio(target.peer)
    return "-" if ratio is None else f"{number(ratio)} x {target.peer}"


def cells(figure: Figure) -> tuple[list[str], ...]:
    """Return a figure's row: for each of COLUMNS its lines."""
    peers = [f"{name} {value_text(value, figure.unit)}" for name, value in figure.peers.items()]
    peers += [f"{name}: {problem}" for name, problem in figure.problems.items() if name != OURS]
    ours = [value_text(figure.ours, figure.unit) if figure.ours else "-"]
    if OURS in figure.problems:
        ours.append(figure.problems[OURS])
    return (
        [figure.title],
        peers,
        ours,
        [ratio_text(figure, target) for target in figure.targets],
        [target_text(target, figure.unit) for target in figure.targets],
        [VERDICTS[figure.met]],
    )


def plain(figures: Sequence[Figure]) -> str:
    """Return a table of aligned columns; a row has as many lines as its longest cell."""
    rows = [cells(figure) for figure in figures]
    widths = [
        max([len(head), *(len(line) for row in rows for line in row[column])]) for column, head in enumerate(COLUMNS)
    ]

    def aligned(line: Sequence[str]) -> str:
        return "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()

    lines = [aligned(COLUMNS), "  ".join("-" * width for width in widths)]
    for row in rows:
        height = max(len(cell) for cell in row)
        lines += [aligned([cell[i] if i < len(cell) else "" for cell in row]) for i in range(height)]
    return "\n".join(lines)


def markdown(figures: Sequence[Figure]) -> str:
    """Return the same as a Markdown table."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
    lines += [
        "| " + " | ".join("<br>".join(escape(line) for line in cell) for cell in cells(f)) + " |" for f in figures
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def as_json(figures: Sequence[Figure], versions: Mapping[str, str], notes: Sequence[str]) -> str:
    """Return everything measured, each round included."""
    whole = {
        "versions": dict(versions),
        "figures": [as_object(figure) for figure in figures],
        "notes": list(notes),
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def as_object(figure: Figure) -> dict[str, object]:
    return {
        "name": figure.name,
        "title": figure.title,
        "unit": figure.unit,
        "values": {
            name: {"median": value.median, "rounds": list(value.rounds), "note": value.note}
            for name, value in figure.values.items()
        },
        "targets": [target_object(figure, target) for target in figure.targets],
        "met": figure.met,
        "problems": dict(figure.problems),
    }


def target_object(figure: Figure, target: Target) -> dict[str, object]:
    if target.peer is None:
        return {"rule": target.rule, "limit": target.bound}
    return {
        "peer": target.peer,
        "rule": target.rule,
        "factor": target.bound,
        "ratio": figure.ratio(target.peer),
    }
