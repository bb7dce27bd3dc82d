"""Encoding and decoding without a network: microseconds a message, beside pynetdicom's in the same process."""

from __future__ import annotations

import importlib
import importlib.util
import timeit
from typing import TYPE_CHECKING

from dcmecho.dimse import CEchoRQ, CEchoRSP, MessageAssembler, decode_command, fragment
from dcmecho.items import ImplementationClassUID, ImplementationVersionName, MaximumLength, PresentationContextRQ
from dcmecho.pdu import AssociateRQ, Framing, PDataTF, decode

from .figures import OURS, PYNETDICOM, Benchmark, MeasurementError, Report, Sample
from .harness import Bench, interleave

if TYPE_CHECKING:
    from collections.abc import Callable

    Work = Callable[[], object]

TITLES = {
    "codec-associate-decode": "A-ASSOCIATE-RQ: bytes to objects",
    "codec-associate-encode": "A-ASSOCIATE-RQ: objects to bytes",
    "codec-echo-decode": "C-ECHO-RSP: bytes of its PDU to the message",
    "codec-echo-encode": "C-ECHO-RQ: message to the bytes of its PDU",
}
MAX_PDU = 16382


def associate_rq() -> AssociateRQ:
    """Return a request as an echoscu sends it: one context, three items of user information."""
    return AssociateRQ(
        "ANY-SCP",
        "ECHOSCU",
        (PresentationContextRQ(1, "1.2.840.10008.1.1", ("1.2.840.10008.1.2",)),),
        (
            MaximumLength(MAX_PDU),
            ImplementationClassUID("1.2.826.0.1.3680043.9.3811.3.0.4"),
            ImplementationVersionName("BENCHMARK"),
        ),
    )


def echo_pdu(message: CEchoRQ | CEchoRSP) -> bytes:
    return b"".join([pdu.encode() for pdu in fragment(1, message.encode(), MAX_PDU)])


def ours() -> dict[str, Work]:
    """Return what is timed, by the names of TITLES."""
    request = associate_rq()
    association = request.encode()
    response = echo_pdu(CEchoRSP(7))
    framing = Framing(MAX_PDU)
    assembler = MessageAssembler()

    def decode_echo() -> object:
        framing.feed(response)
        data = framing.next_pdu()
        assert data is not None
        pdu = decode(data)
        assert isinstance(pdu, PDataTF)
        command = assembler.receive(pdu.pdvs[0])
        assert command is not None
        return decode_command(command)

    return {
        "codec-associate-decode": lambda: decode(association),
        "codec-associate-encode": request.encode,
        "codec-echo-decode": decode_echo,
        "codec-echo-encode": lambda: echo_pdu(CEchoRQ(7)),
    }


def pynetdicoms() -> dict[str, Work]:
    """Return the same in pynetdicom's terms; nothing where it is not installed."""
    if importlib.util.find_spec("pynetdicom") is None:
        return {}
    # Imported by name, so that neither this module nor a type check needs it.
    pdus = importlib.import_module("pynetdicom.pdu")
    messages = importlib.import_module("pynetdicom.dimse_messages")
    primitives = importlib.import_module("pynetdicom.dimse_primitives")
    association = associate_rq().encode()
    response = echo_pdu(CEchoRSP(7))
    request = pdus.A_ASSOCIATE_RQ()
    request.decode(association)

    def decode_associate() -> object:
        pdu = pdus.A_ASSOCIATE_RQ()
        pdu.decode(association)
        return pdu

    def decode_echo() -> object:
        pdu = pdus.P_DATA_TF()
        pdu.decode(response)
        message = messages.DIMSEMessage()
        message.decode_msg(pdu.to_primitive())
        return message.message_to_primitive()

    def encode_echo() -> bytes:
        primitive = primitives.C_ECHO()
        primitive.MessageID = 7
        primitive.AffectedSOPClassUID = "1.2.840.10008.1.1"
        message = messages.C_ECHO_RQ()
        message.primitive_to_message(primitive)
        whole = b""
        for data in message.encode_msg(1, MAX_PDU):
            pdu = pdus.P_DATA_TF()
            pdu.from_primitive(data)
            whole += pdu.encode()
        return whole

    return {
        "codec-associate-decode": decode_associate,
        "codec-associate-encode": request.encode,
        "codec-echo-decode": decode_echo,
        "codec-echo-encode": encode_echo,
    }


def microseconds(work: Work, seconds: float) -> float:
    """Return what one call takes, over about `seconds`."""
    timer = timeit.Timer(work)
    calls, spent = 1, timer.timeit(1)
    while spent < seconds / 4:
        calls *= 2
        spent = timer.timeit(calls)
    return spent / calls * 1e6


def measure(bench: Bench) -> Report:
    check()
    subjects = {PYNETDICOM: pynetdicoms(), OURS: ours()}
    figures = []
    for name, title in TITLES.items():

        def subject(work: Work) -> Callable[[], Sample]:
            return lambda: {"us": microseconds(work, bench.seconds / 4)}

        work = {who: subject(calls[name]) for who, calls in subjects.items() if name in calls}
        samples = interleave(bench.runs, work)
        figures.append(samples.figure(name, title, "us", "us"))
    return Report(tuple(figures))


def check() -> None:
    """Raise MeasurementError unless both encode the same message to the same bytes."""
    peers = pynetdicoms()
    for name in ("codec-associate-encode", "codec-echo-encode"):
        if peers and peers[name]() != ours()[name]():
            raise MeasurementError(f"{name}: ours and pynetdicom's bytes differ")


BENCHMARKS = (Benchmark("codec", "encoding and decoding, without a network", measure),)
