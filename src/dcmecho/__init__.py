"""DICOM Verification (C-ECHO) for Python.

::

    import dcmecho

    result = dcmecho.verify("pacs.example", 104, called_ae_title="PACS")
    print(result.seconds, result.negotiated.peer_implementation_version_name)

`verify` does the whole thing, `associate` gives the steps, `serve` answers; `dcmecho.aio` holds their asyncio twins.
Names are loaded when they are first used.
"""

__version__ = "1.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .association import Association, Observer
    from .causes import CAUSES, Cause
    from .client import ClientAssociation, associate, verify
    from .errors import (
        AssociationAborted,
        AssociationRejected,
        ConnectError,
        ConnectionLost,
        EchoFailed,
        Error,
        LocalError,
        LocalProtocolError,
        NoAcceptableContext,
        PeerProtocolError,
        RemoteProtocolError,
        ResolveError,
        TLSError,
        UsageError,
        VerificationError,
        VerificationTimeout,
    )
    from .handler import EchoStatus, Handler, Peer
    from .result import ConnectAttempt, ContextResult, EchoResult, EchoStatistics, Negotiated, VerificationResult
    from .server import ThreadedEchoServer, serve
    from .server_settings import ServerSettings
    from .settings import VerificationSettings
    from .tls.configuration import TLSConfiguration

_HOMES = {
    "client": ("ClientAssociation", "associate", "verify"),
    "server": ("ThreadedEchoServer", "serve"),
    "settings": ("VerificationSettings",),
    "server_settings": ("ServerSettings",),
    "tls.configuration": ("TLSConfiguration",),
    "handler": ("EchoStatus", "Handler", "Peer"),
    "result": ("ConnectAttempt", "ContextResult", "EchoResult", "EchoStatistics", "Negotiated", "VerificationResult"),
    "association": ("Association", "Observer"),
    "causes": ("CAUSES", "Cause"),
    "errors": (
        "AssociationAborted",
        "AssociationRejected",
        "ConnectError",
        "ConnectionLost",
        "EchoFailed",
        "Error",
        "LocalError",
        "LocalProtocolError",
        "NoAcceptableContext",
        "PeerProtocolError",
        "RemoteProtocolError",
        "ResolveError",
        "TLSError",
        "UsageError",
        "VerificationError",
        "VerificationTimeout",
    ),
}

__all__ = [
    "__version__",
    # doing it
    "associate",
    "serve",
    "verify",
    "ClientAssociation",
    "ServerSettings",
    "ThreadedEchoServer",
    "TLSConfiguration",
    "VerificationSettings",
    # what comes out
    "ConnectAttempt",
    "ContextResult",
    "EchoResult",
    "EchoStatistics",
    "Negotiated",
    "VerificationResult",
    # what a server lets its user decide
    "EchoStatus",
    "Handler",
    "Peer",
    # why it failed
    "CAUSES",
    "Cause",
    "AssociationAborted",
    "AssociationRejected",
    "ConnectError",
    "ConnectionLost",
    "EchoFailed",
    "Error",
    "LocalError",
    "LocalProtocolError",
    "NoAcceptableContext",
    "PeerProtocolError",
    "RemoteProtocolError",
    "ResolveError",
    "TLSError",
    "UsageError",
    "VerificationError",
    "VerificationTimeout",
    # the core without I/O
    "Association",
    "Observer",
]


_MODULES = ("acceptor", "aio", "causes", "errors", "requestor", "text", "tls")


def __getattr__(name: str) -> object:
    # The built-in, because importlib would have to be loaded first, on each start of echoscu.
    if name in _MODULES:
        return __import__(f"{__name__}.{name}", fromlist=("",))
    for home, names in _HOMES.items():
        if name in names:
            value: object = getattr(__import__(f"{__name__}.{home}", fromlist=("",)), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
