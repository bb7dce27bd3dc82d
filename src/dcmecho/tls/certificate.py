"""Certificates and revocation lists (RFC 5280), read for what a person wants to know about them.

Nothing here verifies anything, and neither `ssl` nor a cryptography library is imported: a run that succeeds can
afford to read the peer's certificate.
"""

from .der import BIT_STRING, OCTET_STRING, SEQUENCE, SET, DERError, Reader, oid_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAXIMUM_NAMES = 1000  # alternative names, usages: a certificate has a handful

_ATTRIBUTES = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.42": "GN",
    "2.5.4.46": "dnQualifier",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
}

_SIGNATURES = {
    "1.2.840.113549.1.1.2": ("RSA", "MD2"),
    "1.2.840.113549.1.1.3": ("RSA", "MD4"),
    "1.2.840.113549.1.1.4": ("RSA", "MD5"),
    "1.2.840.113549.1.1.5": ("RSA", "SHA-1"),
    "1.2.840.113549.1.1.14": ("RSA", "SHA-224"),
    "1.2.840.113549.1.1.11": ("RSA", "SHA-256"),
    "1.2.840.113549.1.1.12": ("RSA", "SHA-384"),
    "1.2.840.113549.1.1.13": ("RSA", "SHA-512"),
    "1.2.840.10045.4.1": ("ECDSA", "SHA-1"),
    "1.2.840.10045.4.3.1": ("ECDSA", "SHA-224"),
    "1.2.840.10045.4.3.2": ("ECDSA", "SHA-256"),
    "1.2.840.10045.4.3.3": ("ECDSA", "SHA-384"),
    "1.2.840.10045.4.3.4": ("ECDSA", "SHA-512"),
    "1.2.840.10040.4.3": ("DSA", "SHA-1"),
    "2.16.840.1.101.3.4.3.1": ("DSA", "SHA-224"),
    "2.16.840.1.101.3.4.3.2": ("DSA", "SHA-256"),
    # These hash with SHA-512 and SHAKE256 (RFC 8410, RFC 8032).
    "1.3.101.112": ("Ed25519", "SHA-512"),
    "1.3.101.113": ("Ed448", "SHAKE256"),
}
_RSA_PSS = "1.2.840.113549.1.1.10"
_HASHES = {
    "1.3.14.3.2.26": "SHA-1",
    "2.16.840.1.101.3.4.2.4": "SHA-224",
    "2.16.840.1.101.3.4.2.1": "SHA-256",
    "2.16.840.1.101.3.4.2.2": "SHA-384",
    "2.16.840.1.101.3.4.2.3": "SHA-512",
}

BROKEN_HASHES = ("MD2", "MD4", "MD5")
WEAK_HASHES = (*BROKEN_HASHES, "SHA-1", "SHA-224")

_CURVES = {
    "1.2.840.10045.3.1.1": ("P-192", 192),
    "1.2.840.10045.3.1.7": ("P-256", 256),
    "1.3.132.0.33": ("P-224", 224),
    "1.3.132.0.34": ("P-384", 384),
    "1.3.132.0.35": ("P-521", 521),
    "1.3.132.0.10": ("secp256k1", 256),
    "1.3.36.3.3.2.8.1.1.7": ("brainpoolP256r1", 256),
    "1.3.36.3.3.2.8.1.1.11": ("brainpoolP384r1", 384),
    "1.3.36.3.3.2.8.1.1.13": ("brainpoolP512r1", 512),
}
_RSA_KEYS = ("1.2.840.113549.1.1.1", _RSA_PSS)
_EC_KEY = "1.2.840.10045.2.1"
_DSA_KEY = "1.2.840.10040.4.1"
_FIXED_KEYS = {"1.3.101.112": ("Ed25519", 256), "1.3.101.113": ("Ed448", 456)}

_USAGES = {
    "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.5.5.7.3.3": "codeSigning",
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.8": "timeStamping",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
    "2.5.29.37.0": "anyExtendedKeyUsage",
}

_KEY_USAGE = "2.5.29.15"
_ALTERNATIVE_NAMES = "2.5.29.17"
_BASIC_CONSTRAINTS = "2.5.29.19"
_EXTENDED_KEY_USAGE = "2.5.29.37"
_KEY_CERT_SIGN = 0x04  # bit 5 of the first byte, counted from the left (RFC 5280 4.2.1.3)


class PeerCertificate:
    """What a certificate says about itself.

    `subject` and `issuer` are distinguished names in the order of the certificate (``C=DE, O=…, CN=…``), as the
    sender wrote them: escape them before showing. `serial` is a number. `not_before` and `not_after` are seconds
    since 1970. `key` is ``"RSA"``, ``"EC"``, ``"DSA"``, ``"Ed25519"``, ``"Ed448"`` or an OID, `key_bits` its size (0
    if unknown), `curve` the elliptic curve's name. `signature` and `hash` tell how it is signed. `sans` are pairs of
    kind (``"DNS"``, ``"IP"``, ``"email"``, ``"URI"``) and value. `usages` are the extended key usages (None: any).
    `is_ca` is None where the certificate does not say. `may_sign` tells whether the key may sign certificates.
    """

    __slots__ = (
        "common_name",
        "curve",
        "der",
        "hash",
        "is_ca",
        "issuer",
        "key",
        "key_bits",
        "may_sign",
        "not_after",
        "not_before",
        "sans",
        "serial",
        "signature",
        "subject",
        "usages",
        "version",
    )

    def __init__(self, der: bytes) -> None:
        """Read `der`; raises `DERError` if it is no certificate."""
        self.der = der
        certificate = _sole(der).nested(SEQUENCE)
        body = certificate.nested(SEQUENCE)
        version = body.optional(0xA0)
        self.version = version.integer() + 1 if version else 1
        self.serial = body.integer()
        body.skip()  # the signature's algorithm, which comes again outside
        self.issuer = read_name(body)[0]
        validity = body.nested(SEQUENCE)
        self.not_before = validity.time()
        self.not_after = validity.time()
        self.subject, self.common_name = read_name(body)
        self.key, self.key_bits, self.curve = _read_key(body.nested(SEQUENCE))
        self.signature, self.hash = _read_algorithm(certificate.nested(SEQUENCE))
        self.sans: tuple[tuple[str, str], ...] = ()
        self.usages: tuple[str, ...] | None = None
        self.is_ca: bool | None = None
        self.may_sign = True
        for tag in (0x81, 0x82):
            body.optional(tag)
        extensions = body.optional(0xA3)
        if extensions:
            self._read_extensions(extensions.nested(SEQUENCE))

    def _read_extensions(self, extensions: Reader) -> None:
        while not extensions.at_end():
            extension = extensions.nested(SEQUENCE)
            oid = extension.oid()
            if extension.peek() == 0x01:
                extension.boolean()
            value = _sole(extension.value(OCTET_STRING))
            if oid == _ALTERNATIVE_NAMES:
                self.sans = _read_alternative_names(value.nested(SEQUENCE))
            elif oid == _EXTENDED_KEY_USAGE:
                self.usages = _read_usages(value.nested(SEQUENCE))
            elif oid == _BASIC_CONSTRAINTS:
                constraints = value.nested(SEQUENCE)
                self.is_ca = constraints.peek() == 0x01 and constraints.boolean()
            elif oid == _KEY_USAGE:
                self.may_sign = bool(value.value(BIT_STRING)[1:2].ljust(1, b"\0")[0] & _KEY_CERT_SIGN)

    @property
    def sha256(self) -> str:
        """The SHA-256 fingerprint, upper-case hexadecimal with colons."""
        try:
            from _hashlib import openssl_sha256 as sha256  # what hashlib takes too, without the rest of it: 1 ms a run
        except ImportError:
            from hashlib import sha256
        return sha256(self.der).digest().hex(":").upper()

    @property
    def serial_text(self) -> str:
        """The serial number as `openssl x509 -serial` writes it: upper-case hexadecimal, whole bytes."""
        digits = f"{abs(self.serial):X}"
        return ("-" if self.serial < 0 else "") + digits.rjust(len(digits) + len(digits) % 2, "0")

    @property
    def self_issued(self) -> bool:
        """Whether subject and issuer are the same."""
        return self.subject == self.issuer

    def days_left(self, now: float) -> float:
        """Return the days from `now` (seconds since 1970) until the certificate ends; negative once it has."""
        return (self.not_after - now) / 86400

    def allows(self, usage: str) -> bool:
        """Tell whether the extended key usages allow `usage` (``"serverAuth"``, ``"clientAuth"``)."""
        return self.usages is None or usage in self.usages

    @property
    def key_text(self) -> str:
        """The key in words: ``RSA 2048 bit``, ``EC P-256``."""
        if self.curve:
            return f"{self.key} {self.curve}"
        return f"{self.key} {self.key_bits} bit" if self.key in ("RSA", "DSA", "EC") else self.key

    def to_dict(self, now: float) -> "dict[str, Any]":
        """Return it as JSON's types, at a time in seconds since 1970; docs/reference/json.md describes it."""
        return {
            "subject": self.subject,
            "issuer": self.issuer,
            "serial": self.serial_text,
            "subject_alternative_names": [f"{kind}:{value}" for kind, value in self.sans],
            "not_before": date_text(self.not_before),
            "not_after": date_text(self.not_after),
            "days_left": whole_days(self.not_after, now),
            "sha256": self.sha256,
            "key": self.key_text,
        }


class RevocationList:
    """What a revocation list says about itself: `issuer`, `this_update`, `next_update` (None if it never ends)."""

    __slots__ = ("issuer", "next_update", "this_update")

    def __init__(self, der: bytes) -> None:
        """Read `der`; raises `DERError` if it is no revocation list."""
        body = _sole(der).nested(SEQUENCE).nested(SEQUENCE)
        if body.peek() == 0x02:
            body.skip()
        body.nested(SEQUENCE)
        self.issuer = read_name(body)[0]
        self.this_update = body.time()
        self.next_update = body.time() if body.peek() in (0x17, 0x18) else None


def days_text(days: float) -> str:
    """Return a number of days, whole ones only, in words."""
    whole = int(abs(days))
    return f"{whole} day" + ("" if whole == 1 else "s")


def whole_days(end: float, now: float) -> int:
    """Return the whole days from `now` to `end`, both in seconds since 1970; negative after it."""
    return int((end - now) // 86400)


def date_text(seconds: float) -> str:
    """Return seconds since 1970 as ``2026-01-31 12:00:00 UTC``; a date beyond the calendar as a number."""
    import time

    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    except (OverflowError, OSError, ValueError):
        return f"{seconds:.0f} s since 1970"


def _sole(der: bytes) -> Reader:
    reader = Reader(der)
    whole = reader.whole()
    if not reader.at_end():
        raise DERError(f"{len(der) - len(whole)} bytes follow what should be all")
    return Reader(whole)


def read_name(parent: Reader) -> tuple[str, str | None]:
    """Read a Name: its text, and its last common name."""
    parts = []
    common_name = None
    name = parent.nested(SEQUENCE)
    while not name.at_end():
        relative = name.nested(SET)
        joined = []
        while not relative.at_end():
            attribute = relative.nested(SEQUENCE)
            oid = attribute.oid()
            value = _string(*attribute.element())
            if oid == "2.5.4.3":
                common_name = value
            joined.append(f"{_ATTRIBUTES.get(oid, oid)}={_plain(value)}")
        parts.append(" + ".join(joined))
    return ", ".join(parts), common_name


def _plain(value: str) -> str:
    # A value must not be able to look like two.
    for special in '\\,+="':
        value = value.replace(special, "\\" + special)
    return value


def _string(tag: int, content: bytes) -> str:
    if tag == 0x1E:
        return content.decode("utf-16-be", "replace")
    if tag == 0x1C:
        return content.decode("utf-32-be", "replace")
    return content.decode("utf-8" if tag == 0x0C else "latin-1", "replace")


def _read_algorithm(algorithm: Reader) -> tuple[str, str]:
    oid = algorithm.oid()
    if oid != _RSA_PSS:
        return _SIGNATURES.get(oid, (oid, ""))
    # RFC 4055 3.1: without a parameter the hash is SHA-1.
    parameters = algorithm.optional(SEQUENCE)
    chosen = parameters.optional(0xA0) if parameters else None
    if chosen is None:
        return "RSA-PSS", "SHA-1"
    oid = chosen.nested(SEQUENCE).oid()
    return "RSA-PSS", _HASHES.get(oid, oid)


def _read_key(info: Reader) -> tuple[str, int, str | None]:
    algorithm = info.nested(SEQUENCE)
    oid = algorithm.oid()
    if oid in _RSA_KEYS:
        return "RSA", _sole(info.bits()).nested(SEQUENCE).integer().bit_length(), None
    if oid == _DSA_KEY:
        parameters = algorithm.optional(SEQUENCE)
        return "DSA", parameters.integer().bit_length() if parameters else 0, None
    if oid == _EC_KEY:
        if algorithm.peek() != 0x06:
            return "EC", 0, "unnamed curve"
        curve = algorithm.oid()
        name, bits = _CURVES.get(curve, (curve, _point_bits(info.bits())))
        return "EC", bits, name
    name, bits = _FIXED_KEYS.get(oid, (oid, 0))
    return name, bits, None


def _point_bits(point: bytes) -> int:
    # SEC 1 2.3.3: 04 and both coordinates, or 02/03 and one.
    coordinates = 2 if point[:1] == b"\x04" else 1
    return (len(point) - 1) * 8 // coordinates


def _read_alternative_names(names: Reader) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    while not names.at_end() and len(found) < MAXIMUM_NAMES:
        tag, content = names.element()
        if tag == 0x82:
            found.append(("DNS", content.decode("latin-1")))
        elif tag == 0x87:
            found.append(("IP", _address(content)))
        elif tag == 0x81:
            found.append(("email", content.decode("latin-1")))
        elif tag == 0x86:
            found.append(("URI", content.decode("latin-1")))
    return tuple(found)


def _address(content: bytes) -> str:
    if len(content) == 4:
        return ".".join(map(str, content))
    if len(content) != 16:
        return content.hex()
    from ipaddress import IPv6Address

    return str(IPv6Address(content))


def _read_usages(usages: Reader) -> tuple[str, ...]:
    found: list[str] = []
    while not usages.at_end() and len(found) < MAXIMUM_NAMES:
        oid = oid_text(usages.value(0x06))
        found.append(_USAGES.get(oid, oid))
    return tuple(found)
