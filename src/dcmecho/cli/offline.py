"""The checks of a certificate file without a connection: `+vc` and `+rc`."""

import sys

from dcmecho.text import escape, quote
from dcmecho.tls.certificate import date_text
from dcmecho.tls.offline import check_root, verify_certificate

from . import exit_codes
from .common import say
from .log import SECURITY, Log
from .tls_setup import configuration, files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dcmecho.tls.offline import OfflineCheck

    from .grammar import Arguments


def check_offline(arguments: "Arguments", log: Log, *, as_json: bool = False) -> int:
    """Do what `+vc` and `+rc` ask; print each result, or one JSON object with all; return the exit code."""
    settings = configuration(arguments)
    verified = [verify_certificate(path, settings, form) for path, form in files(arguments, "verify_cert")]
    roots = [check_root(path, settings, form) for path, form in files(arguments, "is_root_cert")]
    passed = all(check.passed for check in (*verified, *roots))
    for check in (*verified, *roots):
        for warning in check.warnings:
            log.warn(f"{escape(check.path)}: {warning}", SECURITY)
    if as_json:
        texts = [_json(passed, verified, roots)]
    else:
        texts = [_text(check, "is accepted") for check in verified]
        texts += [_text(check, "is a self-signed root CA certificate") for check in roots]
    if not all(say(text, sys.stdout) for text in texts):
        return exit_codes.OUTPUT_UNWRITABLE
    return exit_codes.OK if passed else exit_codes.INPUT_INVALID


def _json(passed: bool, verified: "list[OfflineCheck]", roots: "list[OfflineCheck]") -> str:
    import json

    checks = [{"check": "verify-cert", **check.to_dict()} for check in verified]
    checks += [{"check": "is-root-cert", **check.to_dict()} for check in roots]
    return json.dumps({"schema": 1, "ok": passed, "checks": checks}, indent=2)


def _text(check: "OfflineCheck", good: str) -> str:
    certificate = check.certificate
    where = f" (certificate {check.depth} of the chain)" if check.depth else ""
    lines = [f"{escape(check.path)}: {good if check.passed else f'fails: {escape(check.problem)}{where}'}"]
    if certificate is not None:
        lines.append(f"  subject {quote(certificate.subject)}, issuer {quote(certificate.issuer)}")
        end = date_text(certificate.not_after)
        lines.append(f"  valid from {date_text(certificate.not_before)} to {end}, {certificate.key_text}")
    return "\n".join(lines)
