"""Hostile servers against `echoscu`: it ends within its limits, with a documented code and one `F:` line."""

from __future__ import annotations

import sys
import time
from struct import pack
from typing import TYPE_CHECKING

import pytest

from dcmecho.cli import echoscu
from dcmecho.dimse import CEchoRSP
from dcmecho.items import ImplementationClassUID, ImplementationVersionName, MaximumLength, PresentationContextAC
from dcmecho.pdu import PDV, AssociateAC, PDataTF
from dcmecho.uids import IMPLICIT_VR_LITTLE_ENDIAN
from peers import (
    ABORT,
    AC,
    ASSOCIATE_RQ,
    P_DATA,
    RELEASE_REQUEST,
    RELEASE_RESPONSE,
    RELEASE_RQ,
    Closed,
    ScriptedPeer,
    Step,
    abortion,
    close,
    echo_request,
    echo_response,
    eventually,
    expect,
    flood,
    message,
    rejection,
    reset,
    send,
    send_bytewise,
    silence,
)
from programs import LOOPBACK, Outcome, command, run

from .catalogue import (
    ABORTION,
    ECHO_RSP,
    EVIL_TEXTS,
    FULL_AC,
    HOSTILE_GREETINGS,
    REJECTION,
    LengthField,
    associate_lengths,
    data_lengths,
)
from .victim import HAS_PROC, assert_decent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from peers import Wire

DOCUMENTED = {0, 1, 62, 70}
LIMITS = ("-to", "0.5", "-ts", "0.5", "-ta", "0.5", "-td", "0.5")
ENDS_WITHIN = 8.0
"""Seconds. The limits add up to 2 s; the rest is for a machine that is busy with other things."""

Script = tuple[Step, ...]

REQUESTED: Script = (expect(ASSOCIATE_RQ),)
STANDING: Script = (*REQUESTED, send(AC), expect(P_DATA))
ECHOED: Script = (*STANDING, send(echo_response()), expect(RELEASE_RQ))


def assert_decent_end(outcome: Outcome) -> None:
    assert outcome.code in DOCUMENTED, outcome
    assert_decent(outcome.errors.encode("utf-8", "surrogateescape"))
    fatal = [line for line in outcome.errors.split("\n") if line.startswith("F: ")]
    assert len(fatal) == (0 if outcome.code == 0 else 1), outcome


def play(capsys: pytest.CaptureFixture[str], scripts: Sequence[Script], *options: str) -> list[int]:
    """Run the command in this process against each script; return the exit codes."""
    codes = []
    with ScriptedPeer(*scripts[0], more=scripts[1:]) as peer:
        for _ in scripts:
            began = time.monotonic()
            codes.append(echoscu.main([*LIMITS, *options, LOOPBACK, str(peer.port)]))
            assert time.monotonic() - began < ENDS_WITHIN
            streams = capsys.readouterr()
            assert_decent_end(Outcome(codes[-1], streams.out, streams.err))
    return codes


def hurried(script: Script) -> Script:
    """The script for a client with a limit so short that, on a busy machine, it may have left before its turn."""

    def step(wire: Wire) -> None:
        try:
            for each in script:
                each(wire)
        except (Closed, OSError):
            pass
        except AssertionError:
            assert wire.heard[-10:-9] == bytes([ABORT])

    return (step,)


# Cut after each byte

ANSWERS = (
    ("A-ASSOCIATE-AC", REQUESTED, AC),
    ("A-ASSOCIATE-RJ", REQUESTED, REJECTION),
    ("A-ABORT", REQUESTED, ABORTION),
    ("C-ECHO-RSP", STANDING, ECHO_RSP),
    ("A-RELEASE-RP", ECHOED, RELEASE_RESPONSE),
)


@pytest.mark.parametrize(("before", "answer"), [each[1:] for each in ANSWERS], ids=[each[0] for each in ANSWERS])
@pytest.mark.parametrize("ending", [close, reset, silence])
def test_an_answer_cut_after_each_byte(
    capsys: pytest.CaptureFixture[str], before: Script, answer: bytes, ending: Step
) -> None:
    scripts = [hurried((*before, send(answer[:count]), ending)) for count in range(len(answer))]
    soon = ("-ta", "0.02", "-td", "0.02") if ending is silence else ()
    codes = play(capsys, scripts, *soon)
    assert set(codes) <= {1, 70}


# Lengths that lie


@pytest.mark.parametrize(
    ("before", "answer", "fields"),
    [
        (REQUESTED, FULL_AC, associate_lengths(FULL_AC)),
        (STANDING, ECHO_RSP, data_lengths(ECHO_RSP)),
        (REQUESTED, REJECTION, [LengthField("length", 2, 4)]),
        (STANDING, ABORTION, [LengthField("length", 2, 4)]),
        (ECHOED, RELEASE_RESPONSE, [LengthField("length", 2, 4)]),
    ],
    ids=["A-ASSOCIATE-AC", "C-ECHO-RSP", "A-ASSOCIATE-RJ", "A-ABORT", "A-RELEASE-RP"],
)
def test_an_answer_whose_lengths_lie(
    capsys: pytest.CaptureFixture[str], before: Script, answer: bytes, fields: list[LengthField]
) -> None:
    scripts = [hurried((*before, send(lie), silence)) for field in fields for _, lie in field.lies(answer)]
    play(capsys, scripts, "-ta", "0.05", "-td", "0.05")


# What an answer says


def acceptance(*contexts: PresentationContextAC, name: str = "SCRIPT", maximum: int = 16384) -> bytes:
    information = (MaximumLength(maximum), ImplementationClassUID("1.2.3"), ImplementationVersionName(name))
    return AssociateAC("ANY-SCP", "ECHOSCU", contexts, information).encode()


ACCEPTED = PresentationContextAC(1, 0, IMPLICIT_VR_LITTLE_ENDIAN)
COMMAND = CEchoRSP(1).encode()

STRANGE: dict[str, Script] = {
    "accepts nothing": (*REQUESTED, send(acceptance()), silence),
    "accepts what was not proposed": (
        *REQUESTED,
        send(acceptance(PresentationContextAC(7, 0, IMPLICIT_VR_LITTLE_ENDIAN))),
        silence,
    ),
    "accepts and refuses one context": (
        *REQUESTED,
        send(acceptance(ACCEPTED, PresentationContextAC(1, 4, "1.2"))),
        silence,
    ),
    "an unknown result": (*REQUESTED, send(acceptance(PresentationContextAC(1, 255, "1.2"))), silence),
    "maximum length 1": (*REQUESTED, send(acceptance(ACCEPTED).replace(pack(">I", 16384), pack(">I", 1))), silence),
    "maximum length 8": (*REQUESTED, send(acceptance(ACCEPTED, maximum=8)), silence),
    "maximum length 4 GiB": (*REQUESTED, send(acceptance(ACCEPTED, maximum=0xFFFFFFFF)), silence),
    "accepts twice": (*REQUESTED, send(AC * 2), silence),
    "rejects after accepting": (*REQUESTED, send(AC + REJECTION), silence),
    "rejects for no known reason": (*REQUESTED, send(rejection(99, 88, 77)), silence),
    "accepts, aborts": (*REQUESTED, send(AC + ABORTION), close),
    "aborts for no known reason": (*STANDING, send(abortion(99, 88)), close),
    "answers with a request": (*REQUESTED, send(echo_request()), silence),
    "echoes back": (*STANDING, send(echo_request()), silence),
    "answers before it is asked": (*REQUESTED, send(AC + echo_response()), silence),
    "answers twice": (*STANDING, send(echo_response() * 2), silence),
    "answers another request": (*STANDING, send(echo_response(77)), silence),
    "answers on another context": (*STANDING, send(message(COMMAND, 3)), silence),
    "answers with a data set": (*STANDING, send(PDataTF((PDV(1, False, True, COMMAND),)).encode()), silence),
    "releases instead": (*STANDING, send(RELEASE_REQUEST), silence),
    "releases without end": (*ECHOED, flood(RELEASE_REQUEST), silence),
    "says goodbye twice": (*ECHOED, send(RELEASE_RESPONSE * 2), silence),
    "never closes": (*ECHOED, send(RELEASE_RESPONSE), silence),
    "answers a release with data": (*ECHOED, send(echo_response()), silence),
    "accepts without end": (*REQUESTED, flood(AC)),
    "answers without end": (*STANDING, flood(echo_response())),
    "zeros without end": (*REQUESTED, flood(bytes(1000))),
    "text without end": (*REQUESTED, flood(b"HTTP/1.1 200 OK\r\n")),
    "fragments of no byte without end": (*STANDING, flood(PDataTF((PDV(1, True, False, b""),)).encode())),
    "fragments of one byte without end": (*STANDING, flood(PDataTF((PDV(1, True, False, b"\0"),)).encode())),
    "acceptance of 4 GiB": (*REQUESTED, send(pack(">BxI", 2, 0xFFFFFFFF)), flood(bytes(1000))),
    "acceptance of 512 KiB": (*REQUESTED, send(pack(">BxI", 2, 524288) + bytes(500000)), silence),
    "answer of 4 GiB": (*STANDING, send(pack(">BxI", 4, 0xFFFFFFFF)), flood(bytes(1000))),
    "acceptance byte by byte, then nothing": (*REQUESTED, send_bytewise(AC), silence),
    "closes at once": (close,),
    "resets at once": (reset,),
    "speaks first": (send(b"220 mail\r\n"), silence),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_server(name: str) -> None:
    with ScriptedPeer(*STRANGE[name]) as peer:
        began = time.monotonic()
        outcome = run([*command("echoscu"), "-v", *LIMITS, LOOPBACK, peer.port])
        assert time.monotonic() - began < ENDS_WITHIN
    assert_decent_end(outcome)


# Slow


def drip(data: bytes, seconds: float) -> Step:
    """Send byte after byte with pauses until the other side is gone."""

    def step(wire: Wire) -> None:
        import select

        for place in range(len(data)):
            try:
                wire.connection.sendall(data[place : place + 1])
            except OSError:
                return
            ready, _, _ = select.select([wire.connection], [], [], seconds)
            if ready:
                wire.rest()
                return
        raise AssertionError("all of it was taken")

    return step


@pytest.mark.parametrize("script", [(*REQUESTED, drip(AC, 0.1)), (*STANDING, drip(ECHO_RSP, 0.1))])
def test_a_server_that_answers_byte_by_byte_is_left(capsys: pytest.CaptureFixture[str], script: Script) -> None:
    assert play(capsys, [script])[0] in (1, 70)


# Texts that would write to a terminal


def evil_scripts() -> list[Script]:
    scripts: list[Script] = []
    for text in EVIL_TEXTS:
        raw = text.encode("latin-1").ljust(17)[: len(text) + len(text) % 2]
        strange = PresentationContextAC(1, 4, text)
        command_set = pack("<HHI", 0, 2, len(raw)) + raw + pack("<HHIH", 0, 0x100, 2, 0xDEAD)
        scripts += [
            (*REQUESTED, send(acceptance(ACCEPTED, name=text[:16])), expect(P_DATA), send(ABORTION), close),
            (*REQUESTED, send(acceptance(strange)), silence),
            (*REQUESTED, send(text.encode("latin-1") * 8), close),
            (*STANDING, send(echo_response(1, 0x0110, text)), expect(RELEASE_RQ), send(RELEASE_RESPONSE), close),
            (*STANDING, send(message(command_set)), close),
        ]
    return scripts + [(*REQUESTED, send(greeting), close) for greeting in HOSTILE_GREETINGS]


@pytest.mark.parametrize("options", [(), ("-v",), ("-ll", "trace")], ids=["quiet", "verbose", "trace"])
def test_nothing_a_server_says_is_shown_raw(capsys: pytest.CaptureFixture[str], options: tuple[str, ...]) -> None:
    codes = play(capsys, evil_scripts(), *options)
    assert {1, 62, 70} <= set(codes)


# Memory


@pytest.mark.skipif(not HAS_PROC, reason="what a process holds is read from /proc")
def test_a_flood_does_not_fill_the_clients_memory() -> None:
    code = """
import resource, sys
from dcmecho.cli.echoscu import main
main(sys.argv[1:])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
main(sys.argv[2:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    fragments = PDataTF((PDV(1, True, False, b"\0"),)).encode()
    quiet = (*ECHOED, send(RELEASE_RESPONSE), silence)
    with ScriptedPeer(*quiet, more=[(*STANDING, flood(fragments))]) as peer:
        outcome = run([sys.executable, "-c", code, "-q", *LIMITS, LOOPBACK, peer.port])
        assert eventually(lambda: len(peer.wires) == 2)
    assert int(outcome.output) < 16 * 1024, outcome


def test_the_catalogue_reaches_every_documented_code(capsys: pytest.CaptureFixture[str]) -> None:
    good: Script = (*ECHOED, send(RELEASE_RESPONSE), close)
    refused: Script = (*REQUESTED, send(REJECTION), close)
    failed: Script = (*STANDING, send(ECHO_RSP), expect(RELEASE_RQ), send(RELEASE_RESPONSE), close)
    lost: Script = (*STANDING, close)
    assert play(capsys, [good, refused, failed, lost]) == [0, 1, 62, 70]
