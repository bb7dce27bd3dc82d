"""What real peers sent, recorded on the loopback interface (`vectors/*.json`), is read as they meant it."""

import json
from pathlib import Path
from typing import Any

import pytest

from dcmecho.dimse import CEchoRQ, CEchoRSP, MessageAssembler, decode_command
from dcmecho.items import ImplementationClassUID, ImplementationVersionName, MaximumLength, RoleSelection, find
from dcmecho.pdu import PDU_NAMES, Abort, AssociateAC, AssociateRJ, AssociateRQ, Framing, PDataTF, decode
from dcmecho.uids import APPLICATION_CONTEXT, PROPOSABLE_TRANSFER_SYNTAXES, VERIFICATION

VECTORS = {
    path.stem: json.loads(path.read_text()) for path in sorted((Path(__file__).parent / "vectors").glob("*.json"))
}

ECHO_AND_RELEASE_RQ = ["A-ASSOCIATE-RQ", "P-DATA-TF", "A-RELEASE-RQ"]
ECHO_AND_RELEASE_RP = ["A-ASSOCIATE-AC", "P-DATA-TF", "A-RELEASE-RP"]
REJECTION = ["A-ASSOCIATE-RJ"]

SEQUENCES = {
    "dcmtk_echoscu": ECHO_AND_RELEASE_RQ,
    "dcmtk_echoscu_38_syntaxes": ECHO_AND_RELEASE_RQ,
    "dcmtk_echoscu_abort": ["A-ASSOCIATE-RQ", "P-DATA-TF", "A-ABORT"],
    "gdcm_gdcmscu": ECHO_AND_RELEASE_RQ,
    "odil_echo": ECHO_AND_RELEASE_RQ,
    "pynetdicom_echoscu": ECHO_AND_RELEASE_RQ,
    "dcmtk_storescp": ECHO_AND_RELEASE_RP,
    "dcmtk_storescp_3_contexts": ECHO_AND_RELEASE_RP,
    "orthanc": ECHO_AND_RELEASE_RP,
    "pynetdicom_echoscp": ECHO_AND_RELEASE_RP,
    "dcmtk_storescp_refuse": REJECTION,
    "dcmtk_dcmqrscp_called_title": REJECTION,
    "orthanc_called_title": REJECTION,
    "pynetdicom_called_title": REJECTION,
}

DCMTK = (16384, "1.2.276.0.7230010.3.0.3.6.7", "OFFIS_DCMTK_367")
PYNETDICOM = (16382, "1.2.826.0.1.3680043.9.3811.3.0.4", "PYNETDICOM_304")
GDCM = (16384, "1.2.826.0.1.3680043.2.1143.107.104.103.115.3.0.21", "GDCM 3.0.21")
ODIL = (16384, "1.2.826.0.1.3680043.9.55600.0", "Odil 0")

# name: called and calling AE title, ids of the contexts, transfer syntaxes of each, maximum length and implementation
REQUESTS: dict[str, tuple[str, str, list[int], tuple[str, ...], tuple[int, str, str]]] = {
    "dcmtk_echoscu": ("ANY-SCP", "ECHOSCU", [1], ("1.2.840.10008.1.2",), DCMTK),
    "dcmtk_echoscu_38_syntaxes": ("STORESCP", "A B", [1, 3, 5], PROPOSABLE_TRANSFER_SYNTAXES[:38], DCMTK),
    "dcmtk_echoscu_abort": ("ANY-SCP", "ECHOSCU", [1], ("1.2.840.10008.1.2",), DCMTK),
    "gdcm_gdcmscu": ("ANY-SCP", "GDCMSCU", [1], ("1.2.840.10008.1.2",), GDCM),
    "odil_echo": ("STORESCP", "ODILSCU", [3], ("1.2.840.10008.1.2",), ODIL),
    "pynetdicom_echoscu": (
        "ANY-SCP",
        "ECHOSCU",
        [1],
        ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"),
        PYNETDICOM,
    ),
}

# name: called and calling AE title, accepted contexts, maximum length and implementation
RESPONSES: dict[str, tuple[str, str, dict[int, str], tuple[int, str, str]]] = {
    "dcmtk_storescp": ("ANY-SCP", "ECHOSCU", {1: "1.2.840.10008.1.2"}, DCMTK),
    "dcmtk_storescp_3_contexts": ("STORESCP", "A B", dict.fromkeys((1, 3, 5), "1.2.840.10008.1.2.1"), DCMTK),
    "orthanc": ("ORTHANC", "ECHOSCU", {1: "1.2.840.10008.1.2"}, DCMTK),
    "pynetdicom_echoscp": ("ANY-SCP", "ECHOSCU", {1: "1.2.840.10008.1.2"}, PYNETDICOM),
}


def raw(name: str) -> list[bytes]:
    return [bytes.fromhex(pdu) for pdu in VECTORS[name]["pdus"]]


def implementation(user_information: Any) -> tuple[int, str, str]:
    length = find(user_information, MaximumLength)
    uid = find(user_information, ImplementationClassUID)
    version = find(user_information, ImplementationVersionName)
    assert length is not None
    assert uid is not None
    assert version is not None
    return length.length, uid.uid, version.name


def echo_of(name: str) -> tuple[int, object]:
    pdu = decode(raw(name)[1])
    assert isinstance(pdu, PDataTF)
    (pdv,) = pdu.pdvs
    command = MessageAssembler().receive(pdv)
    assert command is not None
    return pdv.context_id, decode_command(command)


def test_every_recording_is_tested_and_says_where_it_comes_from() -> None:
    assert VECTORS.keys() == SEQUENCES.keys()
    for vector in VECTORS.values():
        assert vector.keys() == {"peer", "version", "role", "how", "pdus"}
        assert vector["role"] in ("requestor", "acceptor")


@pytest.mark.parametrize("name", SEQUENCES)
def test_the_stream_is_cut_into_its_pdus(name: str) -> None:
    framing = Framing(16384)
    framing.feed(b"".join(raw(name)))
    pdus = []
    while (pdu := framing.next_pdu()) is not None:
        pdus.append(pdu)
    assert pdus == raw(name)
    assert [PDU_NAMES[pdu[0]] for pdu in pdus] == SEQUENCES[name]


@pytest.mark.parametrize("name", SEQUENCES)
def test_encoding_again_gives_the_same_bytes(name: str) -> None:
    for pdu in raw(name):
        again = decode(pdu).encode()
        if name.startswith("dcmtk_echoscu") and pdu[0] == 0x01:
            # DCMTK's requestor fills byte 7 of each presentation context, reserved there, with FFH.
            differing = [place for place in range(len(pdu)) if pdu[place] != again[place]]
            contexts = REQUESTS[name][2]
            assert [(pdu[place], again[place]) for place in differing] == [(0xFF, 0)] * len(contexts)
            assert [pdu[place - 2] for place in differing] == contexts
            assert len(again) == len(pdu)
        else:
            assert again == pdu


@pytest.mark.parametrize("name", REQUESTS)
def test_association_requests(name: str) -> None:
    called, calling, ids, syntaxes, implemented = REQUESTS[name]
    request = decode(raw(name)[0])
    assert isinstance(request, AssociateRQ)
    assert (request.called_ae_title, request.calling_ae_title) == (called, calling)
    assert (request.protocol_version, request.application_context) == (1, APPLICATION_CONTEXT)
    assert [context.context_id for context in request.presentation_contexts] == ids
    for context in request.presentation_contexts:
        assert (context.abstract_syntax, context.transfer_syntaxes) == (VERIFICATION, syntaxes)
    assert implementation(request.user_information) == implemented
    assert request.unknown_items == ()


def test_odil_selects_roles() -> None:
    request = decode(raw("odil_echo")[0])
    assert isinstance(request, AssociateRQ)
    assert find(request.user_information, RoleSelection) == RoleSelection(VERIFICATION, 1, 0)


@pytest.mark.parametrize("name", RESPONSES)
def test_association_responses(name: str) -> None:
    called, calling, accepted, implemented = RESPONSES[name]
    response = decode(raw(name)[0])
    assert isinstance(response, AssociateAC)
    assert (response.called_ae_title, response.calling_ae_title) == (called, calling)
    assert {context.context_id: context.transfer_syntax for context in response.presentation_contexts} == accepted
    assert {context.result for context in response.presentation_contexts} == {0}
    assert implementation(response.user_information) == implemented


@pytest.mark.parametrize("name", REQUESTS)
def test_echo_requests(name: str) -> None:
    # odil counts its messages from 2: a message id is whatever the requestor says.
    assert echo_of(name) == (REQUESTS[name][2][0], CEchoRQ(2 if name == "odil_echo" else 1))


@pytest.mark.parametrize("name", RESPONSES)
def test_echo_responses(name: str) -> None:
    assert echo_of(name) == (1, CEchoRSP(1))


@pytest.mark.parametrize(
    ("name", "rejection"),
    [
        ("dcmtk_storescp_refuse", AssociateRJ(1, 1, 1)),
        ("dcmtk_dcmqrscp_called_title", AssociateRJ(1, 1, 7)),
        ("orthanc_called_title", AssociateRJ(1, 1, 7)),
        ("pynetdicom_called_title", AssociateRJ(1, 1, 7)),
    ],
)
def test_rejections(name: str, rejection: AssociateRJ) -> None:
    assert decode(raw(name)[0]) == rejection


def test_the_user_aborts() -> None:
    assert decode(raw("dcmtk_echoscu_abort")[2]) == Abort(0, 0)
