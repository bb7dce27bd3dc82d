"""The options of echoscu."""

from dcmecho.settings import MAX_MAX_PDU, MIN_MAX_PDU, check_ae_title
from dcmecho.uids import MAX_PRESENTATION_CONTEXTS, PROPOSABLE_TRANSFER_SYNTAXES

from .options import Command, Group, Integer, Option, Parameter, Seconds, host
from .table_general import ASK, LOGGING
from .table_tls import CLIENT_GROUPS

_SECONDS = Seconds()
_SECONDS_OR_NONE = Seconds(zero="none")

ECHOSCU = Command(
    "echoscu",
    "verify a DICOM peer (C-ECHO)",
    (
        Parameter("peer", "name, IPv4 or IPv6 address of the peer", host, ""),
        Parameter("port", "TCP port of the peer", Integer(1, 65535), 0),
    ),
    (
        Group(
            "general",
            *ASK,
            Option("--json", "json", "print one JSON object with the whole result", default=False),
        ),
        LOGGING,
        Group(
            "connection",
            Option("-i0 --ip-auto", "ip_version", "use every address of the peer, IPv4 first", const=0, default=0),
            Option("-i4 --ipv4", "ip_version", "use IPv4 addresses only", const=4),
            Option("-i6 --ipv6", "ip_version", "use IPv6 addresses only", const=6),
        ),
        Group(
            "AE titles",
            Option(
                "-aet --aetitle --calling-aet",
                "calling_ae_title",
                "our AE title",
                values="TITLE",
                convert=check_ae_title,
                default="ECHOSCU",
            ),
            Option(
                "-aec --call --called-aet",
                "called_ae_title",
                "AE title of the peer",
                values="TITLE",
                convert=check_ae_title,
                default="ANY-SCP",
            ),
        ),
        Group(
            "association negotiation",
            Option(
                "-pts --propose-ts",
                "propose_ts",
                "propose the first N transfer syntaxes of the manual's list",
                values="N",
                convert=Integer(1, len(PROPOSABLE_TRANSFER_SYNTAXES)),
                default=1,
                excludes=("transfer_syntax",),
            ),
            Option(
                "-ppc --propose-pc",
                "propose_pc",
                "propose N presentation contexts, all alike",
                values="N",
                convert=Integer(1, MAX_PRESENTATION_CONTEXTS),
                default=1,
            ),
            Option(
                "-xe --request-little",
                "transfer_syntax",
                "propose explicit VR little endian only",
                const="explicit-little",
                default="",
                excludes=("propose_ts",),
            ),
            Option(
                "-xb --request-big",
                "transfer_syntax",
                "propose explicit VR big endian only",
                const="explicit-big",
                excludes=("propose_ts",),
            ),
            Option(
                "-xi --request-implicit",
                "transfer_syntax",
                "propose implicit VR little endian only",
                const="implicit-little",
                excludes=("propose_ts",),
            ),
        ),
        Group(
            "limits of time, in seconds (decimals allowed)",
            Option(
                "-to --timeout",
                "connect_timeout",
                "limit for connecting to an address, TLS handshake included",
                values="SECONDS",
                convert=_SECONDS,
            ),
            Option(
                "-ts --socket-timeout",
                "socket_timeout",
                "limit without progress of one send or receive; the default gives way to a longer -ta or -td",
                values="SECONDS",
                convert=_SECONDS_OR_NONE,
                default=60.0,
            ),
            Option(
                "-tn --network-timeout",
                "socket_timeout",
                "the same as -ts",
                values="SECONDS",
                convert=_SECONDS_OR_NONE,
            ),
            Option(
                "-ta --acse-timeout",
                "acse_timeout",
                "limit for the answer to an association or release request",
                values="SECONDS",
                convert=_SECONDS,
                default=30.0,
            ),
            Option(
                "-td --dimse-timeout",
                "dimse_timeout",
                "limit for the answer to an echo request",
                values="SECONDS",
                convert=_SECONDS,
            ),
            Option(
                "--deadline",
                "deadline",
                "limit for the whole run",
                values="SECONDS",
                convert=_SECONDS,
            ),
        ),
        Group(
            "association",
            Option(
                "-pdu --max-pdu",
                "max_pdu",
                "largest PDU to receive, in bytes",
                values="N",
                convert=Integer(MIN_MAX_PDU, MAX_MAX_PDU, zero="no limit"),
                default=16384,
            ),
            Option(
                "--repeat",
                "repeat",
                "send N echo requests, one after the other",
                values="N",
                convert=Integer(1, 4294967295),
                default=1,
            ),
            Option("--abort", "abort", "end the association by A-ABORT, not A-RELEASE", default=False),
        ),
        *CLIENT_GROUPS,
    ),
)
