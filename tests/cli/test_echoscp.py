"""echoscp from end to end: what an option does on the wire and in the log, and how it ends."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dcmecho.cli.echoscp import GRACE, main
from dcmecho.dimse import AFFECTED_SOP_CLASS_UID, COMMAND_DATA_SET_TYPE, COMMAND_FIELD, MESSAGE_ID, CEchoRQ, CommandSet
from dcmecho.items import MaximumLength, find
from dcmecho.pdu import A_ABORT, A_ASSOCIATE_RJ, A_RELEASE_RP, Abort, AssociateRJ, AssociateRQ, ReleaseRQ
from dcmecho.uids import (
    ACCEPTABLE_TRANSFER_SYNTAXES,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from programs import (
    LOOPBACK,
    PATIENCE,
    Outcome,
    Program,
    association_request,
    call,
    command,
    connect,
    echoscp,
    free_port,
    message,
    wait_for_port,
)

Echoscp = Callable[..., Outcome]

FULL = ["2>/dev/full", ">/dev/full"] if os.path.exists("/dev/full") else []


@pytest.fixture
def command_line(capsys: pytest.CaptureFixture[str]) -> Echoscp:
    """Run echoscp in this process, where it ends before it serves."""
    return lambda *words: call(main, capsys, *words)


def answered(port: int, *transfer_syntaxes: str, abstract_syntax: str = "1.2.840.10008.1.1") -> tuple[int, str]:
    """Propose one presentation context; return its result and transfer syntax."""
    with connect(port) as talk:
        request = association_request(*transfer_syntaxes, abstract_syntax=abstract_syntax)
        context = talk.associate(request).presentation_contexts[0]
        return context.result, context.transfer_syntax


def ask(port: int, request: AssociateRQ) -> bytes:
    """Request an association; return the PDU that answers."""
    with connect(port) as talk:
        talk.send(request.encode())
        return talk.read()


def stopped(program: Program, number: int = signal.SIGTERM) -> Outcome:
    """Let the server end; return what it left."""
    program.send_signal(number)
    return program.wait()


# A plain run


def test_associations_and_echoes_in_the_words_that_scripts_look_for() -> None:
    with echoscp("-v") as (program, port):
        with connect(port) as talk:
            talk.associate()
            assert [talk.echo(number).status for number in (1, 2, 65535)] == [0, 0, 0]
            talk.release()
        program.wait_for("Association Released")
        outcome = stopped(program)
    assert outcome.code == 0
    assert outcome.output == f"Listening on port {port}\n"
    assert outcome.lines[0] == f'I: Listening on port {port} as "ECHOSCP"'
    assert outcome.lines[1] == "I: Accepting Association"
    assert outcome.lines[2].startswith("I: from 127.0.0.1:")
    assert outcome.lines[2].endswith('calling AE title "TEST", called AE title "ECHOSCP"')
    assert outcome.lines[3:] == [
        "I: Received Echo Request (MsgID 1)",
        "I: Received Echo Request (MsgID 2)",
        "I: Received Echo Request (MsgID 65535)",
        "I: Association Released",
        "I: Stopping",
    ]


def test_without_v_only_the_port_is_told() -> None:
    with echoscp() as (program, port):
        with connect(port) as talk:
            talk.associate()
            talk.echo()
            talk.send(Abort(0, 0).encode())
        outcome = stopped(program)
    assert (outcome.code, outcome.output, outcome.errors) == (0, f"Listening on port {port}\n", "")


def test_an_abort_is_told() -> None:
    with echoscp("--verbose") as (program, port):
        with connect(port) as talk:
            talk.associate()
            talk.send(Abort(0, 0).encode())
            assert talk.is_closed()
        program.wait_for("Association Aborted")


def test_a_fixed_port_says_nothing_on_standard_output() -> None:
    port = free_port()
    with Program([*command("echoscp"), "-v", "-ba", LOOPBACK, port]) as program:
        program.wait_for(f"Listening on port {port}")
        with connect(port) as talk:
            talk.associate()
        outcome = stopped(program)
    assert (outcome.code, outcome.output) == (0, "")


def test_every_address_is_listened_on_by_default() -> None:
    with Program([*command("echoscp"), "0"]) as program:
        port = program.listening_port()
        for host in (LOOPBACK, "::1"):
            with connect(port, host) as talk:
                assert talk.associate().presentation_contexts[0].result == 0
        assert stopped(program).code == 0


@pytest.mark.parametrize("name", ["-ba", "--bind-address"])
def test_bind_address(name: str) -> None:
    with Program([*command("echoscp"), name, "::1", "0"]) as program:
        port = program.listening_port()
        with connect(port, "::1") as talk:
            talk.associate()
        with pytest.raises(ConnectionRefusedError):
            connect(port, LOOPBACK)


# Titles


@pytest.mark.parametrize("name", ["-aet", "--ae-title", "--aetitle"])
def test_a_required_called_title(name: str) -> None:
    with echoscp(name, "MY ECHO", "--require-called-aet") as (program, port):
        assert AssociateRJ.decode(ask(port, association_request(called="ECHOSCP"))) == AssociateRJ(1, 1, 7)
        assert AssociateRJ.decode(ask(port, association_request(called="my echo"))) == AssociateRJ(1, 1, 7)
        with connect(port) as talk:
            talk.associate(association_request(called="MY ECHO"))
        outcome = stopped(program)
    assert len(outcome.lines) == 2
    assert outcome.lines[0].startswith("W: Association from 127.0.0.1:")
    assert outcome.lines[0].endswith(
        'rejected (permanent, service user, reason 7: called AE title not recognized); calling AE title "TEST", '
        'called AE title "ECHOSCP"'
    )


def test_any_called_title_is_taken_by_default() -> None:
    with echoscp("-aet", "MINE") as (_, port), connect(port) as talk:
        assert talk.associate(association_request(called="OTHER")).presentation_contexts[0].result == 0


def test_allowed_calling_titles() -> None:
    with echoscp("--allow-calling-aet", "ONE", "--allow-calling-aet", "TWO", "-q") as (program, port):
        for title in ("ONE", "TWO"):
            with connect(port) as talk:
                talk.associate(association_request(calling=title))
        assert AssociateRJ.decode(ask(port, association_request(calling="THREE"))) == AssociateRJ(1, 1, 3)
        assert stopped(program).errors == ""


# Transfer syntaxes

LITTLE, BIG, IMPLICIT = EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
LOCAL = LITTLE if sys.byteorder == "little" else BIG
JPEG = "1.2.840.10008.1.2.4.50"
PRIVATE = "1.2.3"


@pytest.mark.parametrize(
    ("words", "proposals"),
    [
        ([], {(JPEG, LITTLE): (0, JPEG), (PRIVATE, IMPLICIT, LITTLE): (0, IMPLICIT), (PRIVATE,): (4, "")}),
        (["-xe"], {(IMPLICIT, BIG, LITTLE): (0, LITTLE), (JPEG, IMPLICIT): (0, JPEG)}),
        (["--prefer-little"], {(IMPLICIT, BIG, LITTLE): (0, LITTLE)}),
        (["-xb"], {(IMPLICIT, LITTLE, BIG): (0, BIG), (JPEG, IMPLICIT): (0, JPEG)}),
        (["--prefer-big"], {(IMPLICIT, LITTLE, BIG): (0, BIG)}),
        (["-x="], {(JPEG, IMPLICIT, BIG, LITTLE): (0, LOCAL), (JPEG, IMPLICIT): (0, IMPLICIT), (JPEG,): (0, JPEG)}),
        (["--prefer-uncompr"], {(JPEG, IMPLICIT, BIG, LITTLE): (0, LOCAL)}),
        (["-xi"], {(LITTLE, IMPLICIT): (0, IMPLICIT), (LITTLE, BIG, JPEG): (4, "")}),
        (["--implicit"], {(LITTLE,): (4, "")}),
        (["-xi", "-xe"], {(LITTLE,): (0, LITTLE)}),
    ],
)
def test_which_transfer_syntax_is_accepted(words: list[str], proposals: dict[tuple[str, ...], tuple[int, str]]) -> None:
    with echoscp(*words) as (_, port):
        for proposed, (result, syntax) in proposals.items():
            found = answered(port, *proposed)
            assert found[0] == result
            assert result or found[1] == syntax


def test_every_known_transfer_syntax_is_accepted_and_no_other_service() -> None:
    with echoscp() as (_, port):
        for uid in ACCEPTABLE_TRANSFER_SYNTAXES:
            assert answered(port, uid) == (0, uid)
        assert answered(port, IMPLICIT, abstract_syntax="1.2.840.10008.5.1.4.1.1.2")[0] == 3


@pytest.mark.parametrize(
    ("words", "length"), [([], 16382), (["-pdu", "4096"], 4096), (["--max-pdu", "131072"], 131072), (["-pdu", "0"], 0)]
)
def test_maximum_length(words: list[str], length: int) -> None:
    with echoscp(*words) as (_, port), connect(port) as talk:
        assert find(talk.associate().user_information, MaximumLength) == MaximumLength(length)


def test_a_pdu_longer_than_announced_is_refused() -> None:
    with echoscp("-pdu", 4096) as (program, port):
        with connect(port) as talk:
            talk.associate()
            talk.send(b"\x04\x00" + (4097).to_bytes(4, "big"))
            assert talk.read()[0] == A_ABORT
        program.wait_for("protocol-violation")


# Limits of time


@pytest.mark.parametrize("name", ["-ta", "--acse-timeout"])
def test_a_connection_that_never_asks_is_closed(name: str) -> None:
    with echoscp(name, 0.1) as (program, port):
        with connect(port) as talk:
            assert talk.is_closed()
        program.wait_for("artim-timeout): no association request within 0.1 s")


def test_a_released_connection_that_stays_open_is_closed() -> None:
    with echoscp("-ta", 0.1) as (_, port), connect(port) as talk:
        talk.associate()
        talk.release()
        assert talk.is_closed()


@pytest.mark.parametrize("name", ["-td", "--dimse-timeout"])
def test_a_message_that_is_never_complete(name: str) -> None:
    with echoscp(name, 0.1) as (program, port):
        with connect(port) as talk:
            talk.associate()
            talk.send(message(CEchoRQ(1).encode())[:40])
            assert talk.read()[0] == A_ABORT
        program.wait_for("message-timeout): a message was not complete within 0.1 s")


@pytest.mark.parametrize("name", ["-tn", "--network-timeout"])
def test_an_idle_association(name: str) -> None:
    with echoscp("-v", "-ta", 0.1, name, 0.1) as (program, port):
        with connect(port) as talk:
            talk.associate()
            assert talk.read()[0] == A_ABORT
            assert talk.is_closed()
        program.wait_for("idle-timeout): nothing was received for 0.1 s")


# What it refuses


def test_another_message_aborts_and_the_log_names_it() -> None:
    store = CommandSet(
        {
            AFFECTED_SOP_CLASS_UID: b"1.2.840.10008.5.1.4.1.1.7\0",
            COMMAND_FIELD: b"\x01\x00",
            MESSAGE_ID: b"\x01\x00",
            COMMAND_DATA_SET_TYPE: b"\x01\x00",
        }
    )
    with echoscp() as (program, port):
        with connect(port) as talk:
            talk.associate()
            talk.send(message(store.encode()))
            assert talk.read()[0] == A_ABORT
        program.wait_for("not-verification): C-STORE-RQ received")


def test_foreign_application_context_and_protocol_version() -> None:
    with echoscp() as (_, port):
        request = association_request()
        request.application_context = "1.2.3"
        assert AssociateRJ.decode(ask(port, request)) == AssociateRJ(1, 1, 2)
        request = association_request()
        request.protocol_version = 2
        assert AssociateRJ.decode(ask(port, request)) == AssociateRJ(1, 2, 2)


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", "the client speaks HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "the client speaks TLS, and this port is plain"),
        (b"SSH-2.0-x\r\n", "the client speaks SSH"),
        (b"\x99hello there\x1b[2J", "the client does not speak DICOM: 99 68 65"),
    ],
)
def test_other_protocols_are_named(greeting: bytes, words: str) -> None:
    with echoscp() as (program, port):
        with connect(port) as talk:
            talk.send(greeting)
            talk.read_kind(A_ABORT)
        program.wait_for(f"(not-dicom): {words}")


def test_what_a_peer_sent_is_never_written_raw() -> None:
    evil = "A\x1b[2J\n\x9bF: x"
    with echoscp("-d") as (program, port):
        with connect(port) as talk:
            talk.associate(association_request(called=evil, calling=evil, version_name=evil))
            talk.echo()
            talk.release()
        program.wait_for("Association Released")
        outcome = stopped(program)
    assert "A\\x1b[2J\\x0a\\x9bF: x" in outcome.errors
    assert not any(line.startswith("F: ") for line in outcome.lines)
    assert [each for each in outcome.errors if not each.isprintable() and each != "\n"] == []


# The log


def test_debug_and_trace_name_the_peer_of_each_dump() -> None:
    for words, has_bytes in ((["-d"], False), (["--debug"], False), (["-ll", "trace"], True)):
        with echoscp(*words) as (program, port):
            with connect(port) as talk:
                where = f"127.0.0.1:{talk.socket.getsockname()[1]}"
                talk.associate()
                talk.echo()
                talk.release()
            program.wait_for("Association Released")
            lines = stopped(program).lines
        assert lines.count(f"D: Peer {where}") >= 8
        assert any("INCOMING A-ASSOCIATE-RQ PDU" in line for line in lines)
        assert any("OUTGOING DIMSE MESSAGE" in line for line in lines)
        assert any(line.startswith("T: 000000  01 00 00 00") for line in lines) == has_bytes


def test_quiet() -> None:
    with echoscp("-v", "--quiet", "-aet", "MINE", "--require-called-aet") as (program, port):
        assert ask(port, association_request())[0] == A_ASSOCIATE_RJ
        assert stopped(program).errors == ""


@pytest.mark.parametrize("name", ["-lc", "--log-config"])
def test_log_by_configuration_file(tmp_path: Path, name: str) -> None:
    log = tmp_path / "out.log"
    config = tmp_path / "log.cfg"
    config.write_text(
        f"log4cplus.rootLogger = INFO, A\nlog4cplus.appender.A = log4cplus::FileAppender\n"
        f"log4cplus.appender.A.File = {log}\nlog4cplus.appender.A.layout = log4cplus::SimpleLayout\n"
    )
    with echoscp(name, config) as (program, port):
        with connect(port) as talk:
            talk.associate()
        outcome = stopped(program)
    assert outcome.errors == ""
    assert "INFO - Accepting Association" in log.read_text()


def test_a_data_dictionary_names_elements(tmp_path: Path) -> None:
    dictionary = tmp_path / "a.dic"
    dictionary.write_text("(0000,0110)\tUS\tOurOwnName\t1\tTEST\n")
    words = [*command("echoscp"), "-d", "-ba", LOOPBACK, "0"]
    with Program(words, DCMDICTPATH=str(dictionary)) as program:
        with connect(program.listening_port()) as talk:
            talk.associate()
            talk.echo(7)
        program.wait_for("(0000,0110) US OurOwnName: 0007H")


# What ends before it begins


def test_a_port_that_is_taken(command_line: Echoscp) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        outcome = command_line("-q", "-ba", LOOPBACK, port)
    assert outcome.code == 60
    assert len(outcome.lines) == 1
    assert outcome.lines[0].startswith(f"F: Cannot start: the port cannot be listened on: port {port} of 127.0.0.1 (")


def test_an_address_that_is_not_ours(command_line: Echoscp) -> None:
    outcome = command_line("-ba", "192.0.2.1", 0)
    assert outcome.code == 60
    assert len(outcome.lines) == 1


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "missing parameter: port"),
        (["65536"], "parameter port: "),
        (["1", "2"], 'surplus parameter: "2"'),
        (["--repeat", "2", "0"], 'unknown option "--repeat"'),
        (["-ta", "0", "0"], "option -ta: "),
        (["-aet", "", "0"], "option -aet: "),
        (["--allow-calling-aet", "A\\B", "0"], "option --allow-calling-aet: "),
        (["-pdu", "131073", "0"], "option -pdu: "),
    ],
)
def test_a_wrong_command_line(command_line: Echoscp, words: list[str], named: str) -> None:
    outcome = command_line(*words)
    assert (outcome.code, outcome.output) == (1, "")
    assert outcome.lines[0].startswith(f"echoscp: {named}")
    assert outcome.lines[1:] == ["Try 'echoscp --help'."]


def test_help_and_version(command_line: Echoscp) -> None:
    outcome = command_line("-h")
    assert (outcome.code, outcome.errors) == (0, "")
    assert outcome.output.startswith("echoscp: ")
    assert command_line("--version").output.startswith("dcmecho ")


@pytest.mark.parametrize(("content", "code"), [(None, 20), ("nonsense", 22)])
def test_a_log_configuration_that_is_no_good(
    command_line: Echoscp, tmp_path: Path, content: str | None, code: int
) -> None:
    config = tmp_path / "log.cfg"
    if content is not None:
        config.write_text(content)
    outcome = command_line("-lc", config, 0)
    assert outcome.code == code
    assert outcome.lines[0].startswith("F: Cannot start: ")


def test_a_data_dictionary_that_is_not_there(
    command_line: Echoscp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DCMDICTPATH", str(tmp_path / "none.dic"))
    outcome = command_line("-d", "-ba", LOOPBACK, 0)
    assert outcome.code == 20
    assert outcome.output == ""


# How it ends


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_open_association_may_end_in_order(number: int) -> None:
    with echoscp("-v") as (program, port):
        with connect(port) as talk:
            talk.associate()
            program.send_signal(number)
            program.wait_for("I: Stopping")
            wait_until_refused(port)
            assert talk.echo(5).status == 0
            talk.release()
        outcome = program.wait()
    assert outcome.code == 0
    lines = [line for line in outcome.lines if not line.startswith("I: Connection from ")]
    assert lines[-3:] == ["I: Stopping", "I: Received Echo Request (MsgID 5)", "I: Association Released"]


def wait_until_refused(port: int) -> None:
    """Wait until nothing listens on a port any more: the server says that it stops just before it does."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            connect(port).socket.close()
        except OSError:
            return
        time.sleep(0.01)
    pytest.fail("it still listens")


@pytest.mark.parametrize("numbers", [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGINT)])
def test_a_second_signal_ends_the_grace(numbers: tuple[int, int]) -> None:
    with echoscp("-v") as (program, port):
        with connect(port) as talk:
            talk.associate()
            program.send_signal(numbers[0])
            program.wait_for("I: Stopping")
            program.send_signal(numbers[1])
            assert Abort.decode(talk.read_kind(A_ABORT)).source in (0, 2)
            assert talk.is_closed()
        outcome = program.wait(GRACE - 1)
    assert outcome.code == 0
    assert "shutdown): this server is shutting down" in outcome.lines[-1]


def test_a_connection_that_is_no_association_does_not_hold_it_up() -> None:
    with echoscp() as (program, port), connect(port) as talk:
        talk.send(b"\x01")
        program.send_signal(signal.SIGTERM)
        assert program.wait().code == 0


def test_a_peer_that_waits_for_the_close_after_its_release() -> None:
    with echoscp() as (program, port), connect(port) as talk:
        talk.associate()
        talk.send(ReleaseRQ().encode())
        talk.read_kind(A_RELEASE_RP)
        program.send_signal(signal.SIGTERM)
        assert program.wait().code == 0
        assert talk.is_closed()


@pytest.mark.parametrize("redirect", ["2>&-", ">&-", "<&- >&- 2>&-", *FULL])
def test_it_serves_though_nobody_reads_what_it_says(redirect: str) -> None:
    port = free_port()
    line = f'"$@" -d -ba {LOOPBACK} {port} {redirect} & trap "kill $!" TERM; wait; wait'
    with Program(["bash", "-c", line, "bash", *command("echoscp")]) as program:
        wait_for_port(port, program)
        with connect(port) as talk:
            talk.associate()
            assert talk.echo().status == 0
            talk.release()
        outcome = stopped(program)
    assert "Traceback" not in outcome.errors + outcome.output
