"""What the commands say of TLS: profiles, cipher suites, and what a handshake told."""

from dcmecho.text import escape, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def profiles_text() -> str:
    """What `+ph` prints."""
    from dcmecho.tls.profiles import DEFAULT, list_profiles

    lines = ["Security profiles of DICOM PS3.15 Annex B:"]
    for profile in list_profiles():
        default = " (default)" if profile.name == DEFAULT else ""
        lines.append(f"  {profile.short}  {profile.long:<24}{profile.title}{default}")
    return "\n".join(lines)


def ciphers_text() -> str:
    """What `+cc` prints."""
    from dcmecho.tls.context import library_name, list_ciphers

    lines = [f"Cipher suites of {library_name()}, with the profiles that use them:"]
    for name, versions, profiles in list_ciphers():
        lines.append(f"  {name}  ({versions}{': ' + ', '.join(profiles) if profiles else ''})")
    return "\n".join(lines)


def details_lines(tls: "dict[str, Any]") -> list[str]:
    """What `-v` shows of a finished handshake."""
    lines = [f"{tls['protocol']}, {tls['cipher']}" + (f", ALPN {quote(tls['alpn'])}" if tls["alpn"] else "")]
    certificate = tls["certificate"]
    if certificate is None:
        return [*lines, "The peer sent no certificate"]
    names = ", ".join(certificate["subject_alternative_names"])
    lines += [
        f"Peer's certificate: subject {quote(certificate['subject'])}, issuer {quote(certificate['issuer'])}",
        f"  serial {certificate['serial']}, {certificate['key']}" + (f", names {escape(names)}" if names else ""),
        f"  SHA-256 {certificate['sha256']}",
        f"  valid until {certificate['not_after']} ({certificate['days_left']} days)",
    ]
    if tls["chain_not_after"] != certificate["not_after"]:
        lines.append(f"  its chain until {tls['chain_not_after']} ({tls['chain_days_left']} days)")
    return lines
