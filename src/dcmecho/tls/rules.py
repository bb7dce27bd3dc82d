"""What a profile asks of keys and hashes, held against a certificate. Pure functions; `ssl` is not imported."""

from .certificate import BROKEN_HASHES, WEAK_HASHES, PeerCertificate
from .profiles import BROKEN_HASH, EC, MINIMUM_RSA_BITS, WEAK_HASH, Profile

OWN = "own"
PEER = "peer"


def judge(profile: Profile, certificate: PeerCertificate, whose: str, role: str) -> tuple[list[str], list[str]]:
    """Return what makes `profile` refuse `certificate`, and what is only worth a warning.

    `whose` is ``"own"`` or ``"peer"``; `role` is the side of TLS that we are on, ``"client"`` or ``"server"``.
    """
    refusals: list[str] = []
    warnings: list[str] = []
    for rule, problem in _problems(profile, certificate, whose, role):
        (refusals if rule in profile.refuses else warnings).append(problem)
    return refusals, warnings


def _problems(profile: Profile, certificate: PeerCertificate, whose: str, role: str) -> list[tuple[str, str]]:
    found = []
    key, bits = certificate.key, certificate.key_bits
    if key in ("RSA", "DSA") and bits < MINIMUM_RSA_BITS:
        found.append((f"{whose}-rsa-{role}", f"{key} key of {bits} bit, less than {MINIMUM_RSA_BITS}"))
    if key == "DSA":
        found.append((f"{whose}-dsa", "DSA key, which TLS 1.3 does not have"))
    if key == "EC" and bits < profile.ec_bits:
        found.append((EC, f"EC key of {bits} bit, less than {profile.ec_bits}"))
    if certificate.hash in BROKEN_HASHES:
        found.append((BROKEN_HASH, f"signed with {certificate.hash}, which is broken"))
    elif certificate.hash in WEAK_HASHES:
        found.append((WEAK_HASH, f"signed with {certificate.hash}, weaker than SHA-256"))
    return found
