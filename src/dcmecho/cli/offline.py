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


def check_offline(arguments: "Arguments", log: Log) -> int:
    """Do what `+vc` and `+rc` ask; print each result; return the exit code."""
    settings = configuration(arguments)
    checks = [
        *[(verify_certificate(path, settings, form), "is accepted") for path, form in files(arguments, "verify_cert")],
        *[
            (check_root(path, settings, form), "is a self-signed root CA certificate")
            for path, form in files(arguments, "is_root_cert")
        ],
    ]
    if not all(_tell(check, good, log) for check, good in checks):
        return exit_codes.OUTPUT_UNWRITABLE
    return exit_codes.OK if all(check.passed for check, _ in checks) else exit_codes.INPUT_INVALID


def _tell(check: "OfflineCheck", good: str, log: Log) -> bool:
    """Print the result of a check; False if nobody takes it."""
    certificate = check.certificate
    where = f" (certificate {check.depth} of the chain)" if check.depth else ""
    lines = [f"{escape(check.path)}: {good if check.passed else f'fails: {escape(check.problem)}{where}'}"]
    if certificate is not None:
        lines.append(f"  subject {quote(certificate.subject)}, issuer {quote(certificate.issuer)}")
        end = date_text(certificate.not_after)
        lines.append(f"  valid from {date_text(certificate.not_before)} to {end}, {certificate.key_text}")
    for warning in check.warnings:
        log.warn(f"{escape(check.path)}: {warning}", SECURITY)
    return say("\n".join(lines), sys.stdout)
