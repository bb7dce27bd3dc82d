"""The options of echoscp."""

import os

from dcmecho.server_settings import MAX_PENDING_OUTPUT, SMALLEST_LIMIT
from dcmecho.settings import MAX_MAX_PDU, MIN_MAX_PDU, check_ae_title
from dcmecho.text import quote
from dcmecho.uids import MAX_ASSOCIATION_PDU, MAX_MESSAGE_LENGTH

from .options import Choice, Command, Group, Integer, Option, Parameter, Seconds, host
from .table_general import ASK, LOGGING
from .table_tls import SERVER_GROUPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .grammar import Arguments

MAX_WORKERS = 1024

_SECONDS = Seconds()
_COUNT = Integer(1, 1_000_000)
_BYTES = Integer(SMALLEST_LIMIT, 1 << 30)


def network(word: str) -> str:
    """Return an IP address, or a network in CIDR notation."""
    from ipaddress import ip_network

    try:
        ip_network(word)
    except ValueError:
        raise ValueError(f"{quote(word)} is neither an IP address nor a network like 192.0.2.0/24") from None
    return word


def is_activated() -> bool:
    """Tell whether systemd has passed sockets to this process."""
    if "LISTEN_FDS" not in os.environ:
        return False
    from .systemd import is_activated as has_sockets

    return has_sockets(os.environ)


def _needs_port(arguments: "Arguments") -> bool:
    return not arguments.flag("inetd") and not is_activated()


ECHOSCP = Command(
    "echoscp",
    "answer DICOM verification (C-ECHO) requests",
    (
        Parameter(
            "port",
            "TCP port to listen on; 0 takes a free one and says which (not needed with sockets from systemd, and not "
            "allowed with --inetd)",
            Integer(0, 65535),
            0,
            _needs_port,
        ),
    ),
    (
        Group("general", *ASK),
        Group(
            LOGGING.title,
            *LOGGING.options,
            Option(
                "--log-format",
                "log_format",
                "write the log as FORMAT: text, or json (one object a line)",
                values="FORMAT",
                convert=Choice({"text": "text", "json": "json"}),
                default="text",
            ),
        ),
        Group(
            "network",
            Option(
                "-aet --ae-title --aetitle",
                "ae_title",
                "our AE title; peers may call us by any, unless --require-called-aet is given",
                values="TITLE",
                convert=check_ae_title,
                default="ECHOSCP",
            ),
            Option(
                "--require-called-aet",
                "require_called_ae_title",
                "reject peers that call us by another title",
                default=False,
            ),
            Option(
                "--allow-calling-aet",
                "calling_ae_titles",
                "reject peers with another title than this (may be repeated)",
                values="TITLE",
                convert=check_ae_title,
                default=(),
                collects=True,
            ),
            Option(
                "--allow-from",
                "allow_from",
                "reject peers with another address than this address or network, like 192.0.2.0/24 (may be repeated)",
                values="ADDRESS",
                convert=network,
                default=(),
                collects=True,
            ),
            Option(
                "-ba --bind-address",
                "bind_address",
                "listen on ADDRESS only (default: all, IPv4 and IPv6)",
                values="ADDRESS",
                convert=host,
            ),
            Option(
                "-pdu --max-pdu",
                "max_pdu",
                "largest PDU to receive, in bytes",
                values="N",
                convert=Integer(MIN_MAX_PDU, MAX_MAX_PDU, zero="no limit"),
                default=16382,
            ),
        ),
        Group(
            "limits of time, in seconds (decimals allowed)",
            Option(
                "-ta --acse-timeout",
                "acse_timeout",
                "limit (ARTIM) for the association request of a new connection, and for closing it at the end",
                values="SECONDS",
                convert=_SECONDS,
                default=30.0,
            ),
            Option(
                "-td --dimse-timeout",
                "dimse_timeout",
                "limit for the rest of a message that has begun",
                values="SECONDS",
                convert=_SECONDS,
                default=30.0,
            ),
            Option(
                "-tn --network-timeout",
                "network_timeout",
                "limit for an association on which nothing happens",
                values="SECONDS",
                convert=Seconds(zero="none"),
                default=30.0,
            ),
        ),
        Group(
            "limits of number and size (those of number hold for each worker)",
            Option(
                "--max-associations",
                "max_associations",
                "reject associations beyond N at once; without it, the files that may be open are the limit",
                values="N",
                convert=_COUNT,
            ),
            Option(
                "--max-associations-per-host",
                "max_associations_per_host",
                "reject associations beyond N at once from one address; without it, there is no such limit",
                values="N",
                convert=_COUNT,
            ),
            Option(
                "--max-association-pdu",
                "max_association_pdu",
                "largest association request to take, in bytes",
                values="BYTES",
                convert=_BYTES,
                default=MAX_ASSOCIATION_PDU,
            ),
            Option(
                "--max-message",
                "max_message_length",
                "largest message to put together from its fragments, in bytes",
                values="BYTES",
                convert=_BYTES,
                default=MAX_MESSAGE_LENGTH,
            ),
            Option(
                "--max-pending-output",
                "max_pending_output",
                "bytes that may wait for a peer that does not read; beyond, nothing more is read from it",
                values="BYTES",
                convert=_BYTES,
                default=MAX_PENDING_OUTPUT,
            ),
        ),
        Group(
            "operation",
            Option(
                "--workers",
                "workers",
                "serve with N processes",
                values="N",
                convert=Integer(1, MAX_WORKERS, zero="one a processor"),
                default=1,
            ),
            Option(
                "--inetd",
                "inetd",
                "serve the one connection that is standard input, then exit",
                default=False,
            ),
            Option(
                "--metrics-port",
                "metrics_port",
                "answer HTTP requests for /metrics (Prometheus) and /health on PORT; 0 takes a free one and says which",
                values="PORT",
                convert=Integer(0, 65535),
            ),
            Option(
                "--metrics-address",
                "metrics_address",
                "answer them on ADDRESS",
                values="ADDRESS",
                convert=host,
                default="127.0.0.1",
            ),
        ),
        Group(
            "accepted transfer syntax (default: the first proposed that is known)",
            Option(
                "-x= --prefer-uncompr",
                "prefer",
                "prefer explicit VR in this machine's byte order, then the other, then implicit VR",
                const="uncompressed",
                default="",
            ),
            Option("-xe --prefer-little", "prefer", "prefer explicit VR little endian", const="explicit-little"),
            Option("-xb --prefer-big", "prefer", "prefer explicit VR big endian", const="explicit-big"),
            Option("-xi --implicit", "prefer", "accept implicit VR little endian only", const="implicit-little"),
        ),
        *SERVER_GROUPS,
    ),
)
