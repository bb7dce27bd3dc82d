"""The corpus through the targets, without atheris; and the targets see what they are there to see."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from dcmecho.association import Association
from dcmecho.dimse import MessageAssembler
from dcmecho.pdu import AssociateRQ, Framing

from . import fuzz_association, fuzz_decoder
from .corpus import CORPUS, TARGETS, found, stored
from .mutations import MAX_LENGTH, mutated

if TYPE_CHECKING:
    from collections.abc import Callable

RUN: dict[str, Callable[[bytes], None]] = {"association": fuzz_association.run, "decoder": fuzz_decoder.run}


def test_there_is_a_corpus_for_each_target() -> None:
    assert RUN.keys() == TARGETS.keys()
    assert all(len(stored(target)) > 20 for target in TARGETS)
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 200 * 1024


@pytest.mark.parametrize("target", RUN)
def test_the_seeds_are_taken(target: str) -> None:
    for data in stored(target)[: -len(found(target)) or None]:
        RUN[target](data)


@pytest.mark.parametrize("target", RUN)
def test_what_was_found_before_is_taken(target: str) -> None:
    for path in found(target):
        try:
            RUN[target](path.read_bytes())
        except Exception as error:
            raise AssertionError(f"{target}/{path.name}") from error


@pytest.mark.parametrize("target", RUN)
def test_some_mutations_of_it_are_taken(target: str) -> None:
    random, corpus = Random(7), stored(target)
    for _ in range(3000):
        data = mutated(random.choice(corpus), random.choice(corpus), random)
        assert len(data) <= MAX_LENGTH
        RUN[target](data)


# A target that cannot fail finds nothing


def fails(run: Callable[[bytes], None], inputs: list[bytes]) -> bool:
    for data in inputs:
        try:
            run(data)
        except Exception:  # noqa: BLE001 - any will do
            return True
    return False


def test_an_error_that_is_not_ours_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(data: bytes) -> AssociateRQ:
        raise IndexError

    monkeypatch.setattr("dcmecho.pdu._DECODERS", dict.fromkeys(range(1, 8), decode))
    assert fails(fuzz_decoder.run, fuzz_decoder.seeds())
    assert fails(fuzz_association.run, fuzz_association.seeds())


def test_holding_what_is_too_long_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def hold(framing: Framing) -> bytes | None:
        return None

    monkeypatch.setattr(Framing, "next_pdu", hold)
    data = bytes(4000)
    assert fails(fuzz_association.run, [b"\x01" + fuzz_association.raw(data * 4)])
    assert fails(fuzz_decoder.run, [b"\xff" + data * 4])


def test_joining_without_a_limit_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz_decoder, "MessageAssembler", lambda limit: MessageAssembler(1 << 30))
    assert fails(fuzz_decoder.run, [b"\0" + bytes([1]) * 4000])


def test_speaking_after_the_close_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    take = Association.receive_data

    def answer(association: Association, data: bytes, now: float) -> None:
        take(association, data, now)
        association._outbox.append(b"\x07 and one thing more")

    monkeypatch.setattr(Association, "receive_data", answer)
    with pytest.raises(AssertionError, match="after the close"):
        fuzz_association.run(b"\x01" + fuzz_association.raw(b"\xff" * 8) + bytes([fuzz_association.EXPIRE]))


def test_waiting_for_ever_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Association, "_start_artim", lambda association, now: None)
    assert fails(fuzz_association.run, fuzz_association.seeds())
