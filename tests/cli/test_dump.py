"""What `-d` shows of PDUs and messages, and that nothing in it is raw."""

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcmecho.cli.dictionary import load
from dcmecho.cli.dump import Dumper, element_text, hex_lines, message_lines, pdu_lines
from dcmecho.cli.log import DEBUG, TRACE, Log
from dcmecho.dimse import CEchoRQ, CEchoRSP, CommandSet
from dcmecho.items import (
    AsynchronousOperationsWindow,
    CommonExtendedNegotiation,
    ExtendedNegotiation,
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    PresentationContextAC,
    PresentationContextRQ,
    RoleSelection,
    UnknownItem,
    UserIdentityAC,
    UserIdentityRQ,
)
from dcmecho.pdu import (
    PDV,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    PDataTF,
    ReleaseRP,
    ReleaseRQ,
)
from dcmecho.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION

if TYPE_CHECKING:
    from dcmecho.pdu import PDU

DICTIONARY = load({})

REQUEST = AssociateRQ(
    "PACS",
    "WS1",
    (
        PresentationContextRQ(1, VERIFICATION, (IMPLICIT_VR_LITTLE_ENDIAN, "1.2.3")),
        PresentationContextRQ(3, "1.2", ("1",)),
    ),
    (
        MaximumLength(0),
        ImplementationClassUID("1.2.3.4"),
        ImplementationVersionName("TEST_1"),
        AsynchronousOperationsWindow(5, 6),
        RoleSelection(VERIFICATION, 1, 0),
        ExtendedNegotiation("1.2.9", b"xyz"),
        CommonExtendedNegotiation("1.2.9", "1.2.8", ()),
        UserIdentityRQ(2, 0, b"user", b"secret"),
        UnknownItem(0x5F, b"abcd"),
    ),
    unknown_items=(UnknownItem(0x77, b"ab"),),
)


def test_an_association_request() -> None:
    assert pdu_lines(True, REQUEST) == [
        " OUTGOING A-ASSOCIATE-RQ PDU ".center(76, "="),
        "Our Implementation Class UID:         1.2.3.4",
        "Our Implementation Version Name:      TEST_1",
        "Application Context Name:             1.2.840.10008.3.1.1.1 (DICOM Application Context)",
        'Called AE Title:                      "PACS"',
        'Calling AE Title:                     "WS1"',
        "Our Max PDU Receive Size:             0 (no limit)",
        "Presentation Contexts:",
        "  Context ID:        1 (proposed)",
        "    Abstract Syntax: 1.2.840.10008.1.1 (Verification SOP Class)",
        "    Transfer Syntax: 1.2.840.10008.1.2 (Implicit VR Little Endian)",
        "    Transfer Syntax: 1.2.3",
        "  Context ID:        3 (proposed)",
        "    Abstract Syntax: 1.2",
        "    Transfer Syntax: 1",
        "Asynchronous Operations Window:       invoked 5, performed 6",
        "SCP/SCU Role Selection:               1.2.840.10008.1.1 (Verification SOP Class), SCU 1, SCP 0",
        "Extended Negotiation:                 1.2.9, 3 bytes",
        "Common Extended Negotiation:          1.2.9, service class 1.2.8",
        "User Identity:                        type 2, 4 bytes (not shown)",
        "Unknown Sub-Item 5FH:                 4 bytes",
        "Unknown Item 77H: 2 bytes",
        " END A-ASSOCIATE-RQ PDU ".center(76, "="),
    ]


def test_no_user_identity_is_shown() -> None:
    shown = "\n".join(pdu_lines(False, REQUEST))
    assert "user" not in shown.replace("User", "")
    assert "secret" not in shown


def test_an_association_acceptance() -> None:
    contexts = (
        PresentationContextAC(1, 0, EXPLICIT_VR_LITTLE_ENDIAN),
        PresentationContextAC(3, 4, ""),
        PresentationContextAC(5, 9, ""),
    )
    pdu = AssociateAC("PACS", "WS1", contexts, (UserIdentityAC(b"secret"),))
    assert pdu_lines(False, pdu)[1:-1] == [
        "Their Implementation Class UID:       none",
        "Their Implementation Version Name:    none",
        "Application Context Name:             1.2.840.10008.3.1.1.1 (DICOM Application Context)",
        'Called AE Title:                      "PACS"',
        'Calling AE Title:                     "WS1"',
        "Their Max PDU Receive Size:           none announced",
        "Presentation Contexts:",
        "  Context ID:        1 (acceptance)",
        "    Transfer Syntax: 1.2.840.10008.1.2.1 (Explicit VR Little Endian)",
        "  Context ID:        3 (transfer syntaxes not supported (provider rejection))",
        "    Transfer Syntax: ",
        "  Context ID:        5 (unknown result)",
        "    Transfer Syntax: ",
        "User Identity Response:               6 bytes (not shown)",
    ]


@pytest.mark.parametrize(
    ("pdu", "lines"),
    [
        (
            AssociateRJ(1, 1, 7),
            ["Result: 1 (permanent)", "Source: 1 (service user)", "Reason: 7 (called AE title not recognized)"],
        ),
        (AssociateRJ(7, 8, 9), ["Result: 7 (unknown)", "Source: 8 (unknown)", "Reason: 9 (unknown)"]),
        (Abort(2, 6), ["Abort Source: 2 (service provider)", "Abort Reason: 6 (invalid PDU parameter value)"]),
        (Abort(1, 3), ["Abort Source: 1 (unknown)", "Abort Reason: 3 (unknown)"]),
        (ReleaseRQ(), []),
        (ReleaseRP(), []),
        (
            PDataTF((PDV(1, True, True, b"abc"), PDV(3, False, False, b""))),
            [
                "Presentation Data Value: context 1, command fragment of 3 bytes, last",
                "Presentation Data Value: context 3, data set fragment of 0 bytes",
            ],
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_pdus(pdu: "PDU", lines: list[str]) -> None:
    shown = pdu_lines(False, pdu)
    assert [" ".join(line.split()) for line in shown[1:-1]] == lines
    assert shown[0].startswith("=====")
    assert " INCOMING " in shown[0]
    assert " END " in shown[-1]


def test_an_echo_request() -> None:
    assert message_lines(True, 1, CEchoRQ(7).encode(), DICTIONARY)[1:-1] == [
        "Message Type                  : C-ECHO RQ",
        "Presentation Context ID       : 1",
        "Message ID                    : 7",
        "Data Set                      : None",
        "Command Set:",
        "  (0000,0002) UI AffectedSOPClassUID: [1.2.840.10008.1.1]",
        "  (0000,0100) US CommandField: 0030H",
        "  (0000,0110) US MessageID: 0007H",
        "  (0000,0800) US CommandDataSetType: 0101H",
    ]


def test_an_echo_response() -> None:
    response = CEchoRSP(7, 0x0122, offending_elements=(0x00000002, 0x00000100), error_comment="no\x1b!", error_id=3)
    lines = message_lines(False, 1, response.encode(), DICTIONARY)
    assert "Message ID Being Responded To : 7" in lines
    assert "DIMSE Status                  : Refused: SOP Class Not Supported, 0122H" in lines
    assert "  (0000,0901) AT OffendingElement: (0000,0002)\\(0000,0100)" in lines
    assert "  (0000,0902) LO ErrorComment: [no\\x1b!]" in lines
    assert "  (0000,0903) US ErrorID: 0003H" in lines


def test_another_message_and_one_that_is_none() -> None:
    store = CommandSet({0x0100: b"\x01\x00", 0x0800: b"\x01\x00", 0x9999: b"\x1b["})
    lines = message_lines(False, 1, store.encode(), DICTIONARY)
    assert "Message Type                  : C-STORE RQ" in lines
    assert "Data Set                      : present" in lines
    assert "  (0000,9999) UN Unknown Tag & Data: [\\x1b[]" in lines
    assert message_lines(False, 1, b"\1\2\3", DICTIONARY)[1:-1] == [
        "Not a command set: the command set ends inside an element"
    ]


@pytest.mark.parametrize(
    ("vr", "value", "text"),
    [
        ("US", b"\x01\x00\x02\x00", "0001H\\0002H"),
        ("UL", b"\x01\x00\x00\x00", "00000001H"),
        ("US", b"", "[]"),
        ("UI", b"1.2\0", "[1.2]"),
        ("LO", b"a\\b\n ", "[a\\\\b\\x0a]"),
        ("UN", b"x" * 65, f"[{'x' * 64}] ... (65 bytes)"),
    ],
)
def test_values(vr: str, value: bytes, text: str) -> None:
    assert element_text(vr, value) == text


def test_bytes() -> None:
    assert hex_lines(b"") == []
    assert hex_lines(bytes(range(0x1A, 0x2C))) == [
        "000000  1a 1b 1c 1d 1e 1f 20 21 22 23 24 25 26 27 28 29  ...... !\"#$%&'()",
        "000010  2a 2b                                            *+",
    ]
    assert hex_lines(bytes(4096))[-1].startswith("000ff0  ")
    assert hex_lines(bytes(4097))[-1] == "... and 1 bytes more"


@given(text=st.text(st.characters(max_codepoint=255), max_size=16), data=st.binary(max_size=40))
def test_nothing_is_ever_raw(text: str, data: bytes) -> None:
    context = PresentationContextAC(1, 0, text)
    information = (ImplementationClassUID(text), ImplementationVersionName(text), RoleSelection(text, 1, 1))
    pdu = AssociateAC(text, text, (context,), information, application_context=text)
    command = CommandSet({0x0100: b"\x30\x80", 0x0800: b"\1\1", 0x0902: data, 0x0900: b"\0\0", 0x0120: b"\0\0"})
    lines = pdu_lines(False, pdu) + message_lines(False, 1, command.encode(), DICTIONARY) + hex_lines(data)
    assert all(line.isprintable() for line in lines)


class Recording(Log):
    """Remembers what is written."""

    def __init__(self, level: int) -> None:
        super().__init__("test", level)
        self.written: list[tuple[int, str]] = []

    def write(self, level: int, text: str, source: str = "") -> None:
        self.written.append((level, text.split("\n", maxsplit=1)[0]))


def test_bytes_are_shown_only_at_trace_level() -> None:
    for level, expected in ((DEBUG, []), (TRACE, [(TRACE, "2 bytes received")])):
        log = Recording(level)
        Dumper(log, DICTIONARY).data(False, b"ab")
        assert log.written == expected


def test_the_peer_is_named_before_each_dump() -> None:
    log = Recording(TRACE)
    dumper = Dumper(log, DICTIONARY, "Peer 1")
    dumper.data(True, b"ab")
    dumper.pdu(True, ReleaseRQ())
    dumper.message(True, 1, CEchoRQ(1).encode())
    assert log.written == [(TRACE, "Peer 1"), (DEBUG, "Peer 1"), (DEBUG, "Peer 1")]
