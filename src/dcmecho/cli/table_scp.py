"""The options of echoscp."""

from dcmecho.settings import MAX_MAX_PDU, MIN_MAX_PDU, check_ae_title

from .options import Command, Group, Integer, Option, Parameter, Seconds, host
from .table_general import ASK, LOGGING
from .table_tls import SERVER_GROUPS

_SECONDS = Seconds()

ECHOSCP = Command(
    "echoscp",
    "answer DICOM verification (C-ECHO) requests",
    (Parameter("port", "TCP port to listen on; 0 takes a free one and says which", Integer(0, 65535), 0),),
    (
        Group("general", *ASK),
        LOGGING,
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
