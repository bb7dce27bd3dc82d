"""The command `echoscu`: ask a DICOM peer for an echo."""

import os
import sys

from dcmecho import causes
from dcmecho.client import ClientAssociation
from dcmecho.errors import LocalError, UsageError, VerificationError
from dcmecho.requestor import echo_text
from dcmecho.result import VerificationResult
from dcmecho.settings import VerificationSettings
from dcmecho.text import escape
from dcmecho.uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    PROPOSABLE_TRANSFER_SYNTAXES,
)

from . import exit_codes
from .common import complain, say, understand
from .log import DEBUG, FATAL, INFO, SECURITY, WARN, Log, failure_line, open_log
from .table_scu import ECHOSCU

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dcmecho.association import Observer

    from .grammar import Arguments
    from .progress import Progress

_TRANSFER_SYNTAXES = {
    "explicit-little": (EXPLICIT_VR_LITTLE_ENDIAN,),
    "explicit-big": (EXPLICIT_VR_BIG_ENDIAN,),
    "implicit-little": (IMPLICIT_VR_LITTLE_ENDIAN,),
}

_SHOWN_FAILURES = 10
"""Failed echoes that are shown one by one without `-v`; all are counted."""

_NOT_DATA_OF_A_PDU = 12
"""What DCMTK takes off the peer's maximum length for its "Max Send PDV": PDU header and PDV header, 6 bytes each."""


def main(words: "list[str] | None" = None) -> int:
    """Run echoscu with the words of a command line (those of the process by default); return the exit code."""
    arguments = understand(ECHOSCU, words)
    if isinstance(arguments, int):
        return arguments
    log = Log("echoscu")
    try:
        log = open_log("echoscu", arguments.text("log_level"), arguments.optional_text("log_config"))
        if arguments.given("verify_cert") or arguments.given("is_root_cert"):
            from .offline import check_offline

            return check_offline(arguments, log, as_json=arguments.flag("json"))
        run = _Run(arguments, log)
    except UsageError as error:
        return complain("echoscu", error)
    except VerificationError as error:
        return _cannot_start(error, arguments, log)
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED
    try:
        return run.execute()
    except KeyboardInterrupt:  # while the end was told
        return exit_codes.INTERRUPTED


def _cannot_start(error: VerificationError, arguments: "Arguments", log: Log) -> int:
    log.fatal(failure_line(error))
    if arguments.flag("json"):
        result = VerificationResult(
            arguments.text("peer"),
            arguments.number("port"),
            arguments.text("called_ae_title"),
            arguments.text("calling_ae_title"),
        )
        result.fail(error)
        _print_json(result)
    return exit_codes.exit_code(error)


def _print_json(result: VerificationResult) -> bool:
    import json

    return say(json.dumps(result.to_dict(), indent=2), sys.stdout)


def _observer(log: Log) -> "Observer | None":
    """What dumps PDUs for `-d`. LocalError if DCMDICTPATH names no dictionary that can be loaded."""
    if not log.is_enabled(DEBUG) and not os.environ.get("DCMDICTPATH"):
        return None
    from .dictionary import load

    dictionary = load(os.environ)
    for warning in dictionary.warnings:
        log.warn(warning)
    if not log.is_enabled(DEBUG):
        return None
    from .dump import Dumper

    return Dumper(log, dictionary)


class _Run:
    """One run: associate, echo as often as asked, end the association, tell."""

    def __init__(self, arguments: "Arguments", log: Log) -> None:
        self._arguments = arguments
        self._log = log
        self._progress: Progress | None = None
        tls = None
        if arguments.text("transport") != "plain":
            from .tls_setup import configuration, seed

            seed(arguments, log)
            tls = configuration(arguments)
        syntaxes = PROPOSABLE_TRANSFER_SYNTAXES[: arguments.number("propose_ts")]
        settings = VerificationSettings(
            called_ae_title=arguments.text("called_ae_title"),
            calling_ae_title=arguments.text("calling_ae_title"),
            transfer_syntaxes=_TRANSFER_SYNTAXES.get(arguments.text("transfer_syntax"), syntaxes),
            presentation_contexts=arguments.number("propose_pc"),
            max_pdu=arguments.number("max_pdu"),
            connect_timeout=arguments.seconds("connect_timeout"),
            socket_timeout=arguments.seconds("socket_timeout"),
            acse_timeout=arguments.seconds("acse_timeout"),
            dimse_timeout=arguments.seconds("dimse_timeout"),
            deadline=arguments.seconds("deadline"),
            ip_version=arguments.number("ip_version") or None,
            tls=tls,
            observer=_observer(log),
        )
        self._association = ClientAssociation(arguments.text("peer"), arguments.number("port"), settings)
        self._result = self._association.result
        self._told: list[str] = []
        if tls is not None:
            self._told = list(self._association.set_up_tls())
            for warning in self._told:
                log.warn(escape(warning), SECURITY)

    def execute(self) -> int:
        """Do it; return the exit code."""
        association = self._association
        try:
            self._verify()
        except VerificationError as error:
            self._result.fail(error)
        except KeyboardInterrupt:
            self._interrupt()
        finally:
            association.close()
        return self._conclude()

    def _verify(self) -> None:
        association, log, repeat = self._association, self._log, self._arguments.number("repeat")
        log.info("Requesting Association")
        association.connect()
        self._tell_tls()
        association.associate()
        self._tell_accepted()
        if repeat == 1 or log.is_enabled(INFO):
            for _ in range(repeat):
                self._echo()
        else:
            self._echo_quietly(repeat)
        if self._arguments.flag("abort"):
            log.info("Aborting Association")
            association.abort()
        else:
            log.info("Releasing Association")
            association.release()

    def _tell_tls(self) -> None:
        """What the handshake told; what was worth a warning before it has been told."""
        log, report = self._log, self._result.tls_report
        if report is None:
            return
        for warning in report.warnings:
            if warning not in self._told:
                log.warn(escape(warning), SECURITY)
        if log.is_enabled(INFO):
            from .tls_text import details_lines

            for line in details_lines(report.to_dict()):
                log.info(line, SECURITY)

    def _tell_accepted(self) -> None:
        log, negotiated = self._log, self._result.negotiated
        if negotiated is None or not log.is_enabled(INFO):
            return
        maximum = negotiated.peer_max_pdu
        limit = max(maximum - _NOT_DATA_OF_A_PDU, 0) if maximum else "unlimited"
        log.info(f"Association Accepted (Max Send PDV: {limit})")

    def _echo(self) -> None:
        """One echo, with the lines that `-v` shows."""
        log, association = self._log, self._association
        log.info(f"Sending Echo Request (MsgID {association.next_message_id})")
        echo = association.echo(check=False)
        if echo.status:
            log.error(f"Received Echo Response ({escape(echo_text(echo))})")
        else:
            log.info("Received Echo Response (Success)")

    def _echo_quietly(self, repeat: int) -> None:
        """Many echoes. On a terminal their number is shown as it grows."""
        from .progress import Progress

        association, log = self._association, self._log
        self._progress = progress = Progress(repeat, is_wanted=log.is_enabled(WARN))
        try:
            for number in range(1, repeat + 1):
                echo = association.echo(check=False)
                if echo.status and self._result.statistics.failed <= _SHOWN_FAILURES:
                    progress.clear()
                    log.error(f"Received Echo Response ({escape(echo_text(echo))})")
                progress.show(number)
        finally:
            progress.clear()

    def _interrupt(self) -> None:
        """Ctrl-C: release an association on which nothing is outstanding, abort any other. A second one is too many."""
        import signal

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        step = self._association.step
        try:
            self._association.end_quickly()
        except (VerificationError, KeyboardInterrupt):
            pass
        self._result.fail(VerificationError(causes.INTERRUPTED, step))

    def _conclude(self) -> int:
        """Tell what came out; return the exit code."""
        result, log = self._result, self._log
        failure = result.failure
        was_interrupted = failure is not None and failure.cause is causes.INTERRUPTED
        if result.statistics.sent and (was_interrupted or self._arguments.number("repeat") > 1):
            is_notable = was_interrupted or result.statistics.failed > _SHOWN_FAILURES
            for line in statistics_lines(result):
                log.write(WARN if is_notable else INFO, line)
        if failure is not None:
            log.write(FATAL, "Interrupted" if was_interrupted else failure_line(failure))
        if self._arguments.flag("json") and not _print_json(result) and failure is None:
            failure = LocalError(causes.OUTPUT_FILE_UNWRITABLE, "standard output")
        return exit_codes.OK if failure is None else exit_codes.exit_code(failure)


def statistics_lines(result: VerificationResult) -> list[str]:
    """Return what there is to say of many echoes."""
    statistics = result.statistics
    failed = f", {statistics.failed} of them with another status than Success" if statistics.failed else ""
    lines = [f"{statistics.sent} echoes sent, {statistics.answered} answered{failed}"]
    if statistics.answered:
        times = (
            statistics.minimum,
            statistics.average,
            statistics.median,
            statistics.p99,
            statistics.maximum,
        )
        lines.append(f"round trip min/avg/median/p99/max = {'/'.join([f'{time * 1e3:.3f}' for time in times])} ms")
    return lines


def run() -> None:
    """Run echoscu as a program and end the process.

    Taking the interpreter apart in order costs a tenth of a whole run, and a health check runs thousands a day: nothing
    is left to do once what was written is out.
    """
    code = main()
    logging = sys.modules.get("logging")
    if logging is not None:
        logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass  # closed, or nobody reads it
    os._exit(code)
