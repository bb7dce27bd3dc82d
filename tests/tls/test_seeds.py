"""Seed files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dcmecho import causes
from dcmecho.errors import LocalError
from dcmecho.tls import add_seed, write_seed


def test_written_for_the_owner_alone_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "seed"
    path.write_bytes(b"old" * 2000)
    path.chmod(0o644)
    write_seed(str(path))
    first = path.read_bytes()
    assert len(first) == 1024
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    add_seed(str(path))
    write_seed(str(path))
    assert path.read_bytes() != first


def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(LocalError) as caught:
        add_seed(str(tmp_path / "none"))
    assert caught.value.cause is causes.INPUT_FILE_UNREADABLE
    assert "seed" in caught.value.detail


def test_unwritable(tmp_path: Path) -> None:
    with pytest.raises(LocalError) as caught:
        write_seed(str(tmp_path / "no" / "seed"))
    assert caught.value.cause is causes.OUTPUT_FILE_UNWRITABLE
    assert caught.value.path == str(tmp_path / "no" / "seed")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_file_keeps_its_mode(tmp_path: Path) -> None:
    """The mode of a device is everybody's. A pipe stands in for one: a mistake must not hurt the machine."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o640)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_seed(str(pipe))
        assert len(os.read(reader, 4096)) == 1024
    finally:
        os.close(reader)
    assert stat.S_IMODE(pipe.stat().st_mode) == 0o640
