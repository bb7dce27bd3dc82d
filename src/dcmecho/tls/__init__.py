"""TLS for DICOM (PS3.15 Annex B): profiles, contexts, certificates, failures, offline checks.

The names below are loaded when they are first used: `TLSConfiguration` and the profiles cost little, the contexts
load `ssl`, the offline checks pyOpenSSL. For the wire only `ssl` is ever used.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .certificate import PeerCertificate
    from .configuration import TLSConfiguration
    from .context import client_context, list_ciphers, server_context
    from .failures import handshake_failure
    from .handshake import TLSDetails, check_peer, handshake_details
    from .offline import OfflineCheck, check_root, verify_certificate
    from .profiles import Profile, find_profile, list_profiles
    from .seeds import add_seed, write_seed

_MODULES = {
    "OfflineCheck": "offline",
    "PeerCertificate": "certificate",
    "Profile": "profiles",
    "TLSConfiguration": "configuration",
    "TLSDetails": "handshake",
    "add_seed": "seeds",
    "check_peer": "handshake",
    "check_root": "offline",
    "client_context": "context",
    "find_profile": "profiles",
    "handshake_details": "handshake",
    "handshake_failure": "failures",
    "list_ciphers": "context",
    "list_profiles": "profiles",
    "server_context": "context",
    "verify_certificate": "offline",
    "write_seed": "seeds",
}

__all__ = [
    "TLSConfiguration",
    "client_context",
    "server_context",
    "check_peer",
    "handshake_details",
    "handshake_failure",
    "TLSDetails",
    "PeerCertificate",
    "verify_certificate",
    "check_root",
    "OfflineCheck",
    "Profile",
    "find_profile",
    "list_profiles",
    "list_ciphers",
    "add_seed",
    "write_seed",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
