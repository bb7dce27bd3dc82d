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
    passed = True
    for path, form in files(arguments, "verify_cert"):
        passed &= _tell(verify_certificate(path, settings, form), "is accepted", log)
    for path, form in files(arguments, "is_root_cert"):
        passed &= _tell(check_root(path, settings, form), "is a self-signed root CA certificate", log)
    return exit_codes.OK if passed else exit_codes.INPUT_INVALID


def _tell(check: "OfflineCheck", good: str, log: Log) -> bool:
    certificate = check.certificate
    if check.passed:
        say(f"{escape(check.path)}: {good}", sys.stdout)
    else:
        where = f" (certificate {check.depth} of the chain)" if check.depth else ""
        say(f"{escape(check.path)}: fails: {escape(check.problem)}{where}", sys.stdout)
    if certificate is not None:
        say(f"  subject {quote(certificate.subject)}, issuer {quote(certificate.issuer)}", sys.stdout)
        end = date_text(certificate.not_after)
        say(f"  valid from {date_text(certificate.not_before)} to {end}, {certificate.key_text}", sys.stdout)
    for warning in check.warnings:
        log.warn(f"{escape(check.path)}: {warning}", SECURITY)
    return check.passed
