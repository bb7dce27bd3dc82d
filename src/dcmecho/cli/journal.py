"""What echoscp writes to its log, in lines for people; `json_log` has the same for programs."""

from dcmecho.acceptor import ABORTED_BY_PEER, CONNECTION_LOST, IDLE_TIMEOUT, NEVER_ASSOCIATED, SHUTDOWN
from dcmecho.handler import Handler, Peer
from dcmecho.requestor import rejection_text
from dcmecho.text import escape, quote

from .log import INFO, SECURITY, WARN, Log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dcmecho.counters import Counters
    from dcmecho.pdu import AssociateRJ

_EVERYDAY = frozenset({ABORTED_BY_PEER, CONNECTION_LOST, IDLE_TIMEOUT, NEVER_ASSOCIATED, SHUTDOWN})
"""Ends that need nobody's attention."""


def end_level(outcome: str) -> int:
    """Return the level at which an end that is no release is logged."""
    return INFO if outcome in _EVERYDAY else WARN


def where(peer: Peer) -> str:
    """Return a peer's address and port."""
    address = escape(peer.address)
    return f"[{address}]:{peer.port}" if ":" in address else f"{address}:{peer.port}"


class Journal(Handler):
    """Writes the log of echoscp, one line or a few for each event."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._tells_steps = log.is_enabled(INFO)

    def tell(self, level: int, event: str, text: str, source: str = "", **fields: object) -> None:
        """Write what is about no peer. `event` and `fields` are for programs that read the log."""
        del event, fields
        self.log.write(level, text, source)

    def count(self, counters: "Counters") -> None:
        """Write the counters: somebody has asked for them, so they are to be seen at the default level."""
        groups = {
            "Rejected": counters.rejected,
            "Associations ended": counters.ended,
            "Connections without an association": counters.dropped,
        }
        first = (
            f"Counters: {counters.connections} connections, {counters.accepted} associations accepted, "
            f"{counters.open} open, {counters.echoes} echoes, {counters.echoes_failed} failed, "
            f"{counters.bytes_received} bytes received, {counters.bytes_sent} sent"
        )
        lines = [first]
        for title, group in groups.items():
            texts = [f"{name} {number}" for name, number in group.items() if number]
            if texts:
                lines.append(f"{title}: {', '.join(texts)}")
        self.log.warn("\n".join(lines))

    # What the server reports

    def accepted(self, peer: Peer) -> None:
        if self._tells_steps:
            self.log.info("Accepting Association")
            version = f", {escape(peer.implementation_version_name)}" if peer.implementation_version_name else ""
            self.log.info(
                f"from {where(peer)}, calling AE title {quote(peer.calling_ae_title)}, "
                f"called AE title {quote(peer.called_ae_title)}{version}"
            )
            if peer.tls is not None:
                from .tls_text import details_lines

                self.log.info("\n".join(details_lines(peer.tls)), SECURITY)
        for warning in peer.tls["warnings"] if peer.tls is not None else ():
            self.log.warn(f"{where(peer)}: {escape(warning)}", SECURITY)

    def rejected(self, peer: Peer, rejection: "AssociateRJ") -> None:
        self.log.warn(
            f"Association from {where(peer)} {rejection_text(rejection)}; calling AE title "
            f"{quote(peer.calling_ae_title)}, called AE title {quote(peer.called_ae_title)}"
        )

    def echoed(self, peer: Peer, message_id: int, status: int) -> None:
        if self._tells_steps:
            self.log.info(f"Received Echo Request (MsgID {message_id})")

    def released(self, peer: Peer) -> None:
        self.log.info("Association Released")

    def aborted(self, peer: Peer, outcome: str, detail: str) -> None:
        self.log.info("Association Aborted")
        self._tell_end("Association", peer, outcome, detail)

    def dropped(self, peer: Peer, outcome: str, detail: str) -> None:
        self._tell_end("Connection", peer, outcome, detail)

    def _tell_end(self, what: str, peer: Peer, outcome: str, detail: str) -> None:
        self.log.write(end_level(outcome), f"{what} from {where(peer)} ended ({outcome}): {escape(detail)}")
