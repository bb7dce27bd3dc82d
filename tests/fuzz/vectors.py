"""The bytes of real peers that fuzzing begins with."""

from __future__ import annotations

import json
from pathlib import Path

_FILES = sorted((Path(__file__).parent.parent / "vectors").glob("*.json"))
_VECTORS = {path.stem: json.loads(path.read_text()) for path in _FILES}

DIRECTED: dict[str, bytes] = {name: bytes.fromhex("".join(each["pdus"])) for name, each in _VECTORS.items()}
"""All that one side of an association sent, by the vector's name."""

REQUESTORS = [name for name, each in _VECTORS.items() if each["role"] == "requestor"]
ACCEPTORS = [name for name in DIRECTED if name not in REQUESTORS]


def pdus() -> list[bytes]:
    """Every PDU, each once, in a fixed order."""
    return sorted({bytes.fromhex(pdu) for each in _VECTORS.values() for pdu in each["pdus"]})
