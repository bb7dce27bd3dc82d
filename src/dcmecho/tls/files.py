"""Keys, certificates and revocation lists as they come from files.

Every file is opened here first, so that one that is missing is told with its name and what it was for; the TLS
library would only give a number. What it then loads is what was read here, from memory where the system can do that.
"""

import os

from dcmecho import causes
from dcmecho.errors import LocalError

from .configuration import DER
from .der import INTEGER, OCTET_STRING, SEQUENCE, DERError, Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAXIMUM_FILE = 1 << 20  # bytes; a key with a long chain has some ten thousand
MAXIMUM_TRUST_FILE = 64 << 20  # bytes; revocation lists of large authorities reach tens of megabytes
MAXIMUM_PASSWORD = 1024  # bytes, OpenSSL's limit

CERTIFICATE_LABELS = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
CRL_LABEL = "X509 CRL"
ENCRYPTED_KEY_LABEL = "ENCRYPTED PRIVATE KEY"


def named(text: str) -> str:
    """Return `text` in double quotes, for the detail of an error, which escapes it when it is shown."""
    return f'"{text}"'


def read_file(path: str, role: str, limit: int = MAXIMUM_FILE) -> bytes:
    """Return the content of the file `path`, which is our `role` (``"private key"``).

    Raises `LocalError`: input-file-unreadable, or input-file-invalid for more than `limit` bytes.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as problem:
        raise unreadable(path, role, problem) from problem
    if len(data) > limit:
        raise invalid(path, role, f"longer than {limit} bytes")
    return data


def unreadable(path: str, role: str, problem: Exception) -> LocalError:
    """Return the error for a file that cannot be read."""
    reason = (problem.strerror if isinstance(problem, OSError) else None) or str(problem)
    return LocalError(causes.INPUT_FILE_UNREADABLE, f"{role} {named(path)}: {reason}", path=path)


def invalid(path: str, role: str, problem: str) -> LocalError:
    """Return the error for a file that can be read but not used."""
    return LocalError(causes.INPUT_FILE_INVALID, f"{role} {named(path)}: {problem}", path=path)


class Block:
    """One block of a PEM file (RFC 7468): `label`, content, whether that is `encrypted`, and the block as `text`."""

    __slots__ = ("der", "encrypted", "label", "text")

    def __init__(self, label: str, der: bytes, text: bytes, encrypted: bool) -> None:
        self.label = label
        self.der = der
        self.text = text
        self.encrypted = encrypted


def pem_blocks(data: bytes, path: str, role: str) -> list[Block]:
    """Return the blocks of a PEM file; text around them is passed over.

    Raises `LocalError` (input-file-invalid) for a block without its end or that is not base64.
    """
    import binascii

    blocks = []
    lines = iter(data.splitlines())
    for line in lines:
        label = _label(line, b"-----BEGIN ")
        if label is None:
            continue
        body, text, headers = _body(lines, line, label, path, role)
        try:
            der = binascii.a2b_base64(b"".join(body), strict_mode=True)
        except binascii.Error as problem:
            raise invalid(path, role, f"the {label} block is not base64") from problem
        encrypted = label == ENCRYPTED_KEY_LABEL or any(b"ENCRYPTED" in header for header in headers)
        # Written anew where nothing is lost by it: OpenSSL does not take lines of any length.
        blocks.append(Block(label, der, text if headers else to_pem(label, der), encrypted))
    return blocks


def _body(
    lines: "Iterator[bytes]", first: bytes, label: str, path: str, role: str
) -> tuple[list[bytes], bytes, list[bytes]]:
    body: list[bytes] = []
    headers: list[bytes] = []
    text = [first.strip()]
    for line in lines:
        text.append(line.strip())
        if line.startswith(b"-----"):
            if _label(line, b"-----END ") != label:
                break
            return body, b"\n".join(text) + b"\n", headers
        # RFC 1421 4.6: encapsulated headers, as traditional encrypted keys have them.
        (headers if b":" in line else body).append(line.strip())
    raise invalid(path, role, f"the {label} block has no end")


def _label(line: bytes, start: bytes) -> str | None:
    line = line.rstrip()
    if not (line.startswith(start) and line.endswith(b"-----") and len(line) > len(start) + 5):
        return None
    return line[len(start) : -5].decode("latin-1")


def to_pem(label: str, der: bytes) -> bytes:
    """Return `der` as a PEM block."""
    import binascii

    encoded = binascii.b2a_base64(der, newline=False)
    lines = [encoded[at : at + 64] for at in range(0, len(encoded), 64)]
    name = label.encode("latin-1")
    return b"-----BEGIN %s-----\n%s\n-----END %s-----\n" % (name, b"\n".join(lines), name)


def first_element(der: bytes) -> bytes:
    """Return the first DER element: a trusted certificate of OpenSSL's has settings of its own behind it."""
    return Reader(der).whole()


def read_key(path: str, form: str) -> Block:
    """Return the private key in the file `path`; whatever its form, `text` is PEM.

    Raises `LocalError`.
    """
    role = "private key"
    data = read_file(path, role)
    if form == DER:
        try:
            label = _key_label(data)
        except DERError as problem:
            raise invalid(path, role, _not_der(data, f"not a private key in DER ({problem})")) from problem
        return Block(label, data, to_pem(label, data), label == ENCRYPTED_KEY_LABEL)
    for block in pem_blocks(data, path, role):
        if block.label.endswith("PRIVATE KEY"):
            return block
    raise invalid(path, role, _not_pem(data, "holds no private key in PEM"))


def _key_label(der: bytes) -> str:
    """Tell which kind of private key `der` is by its shape: PKCS#8 (RFC 5208), PKCS#1 (RFC 8017), SEC 1 or DSA."""
    reader = Reader(der)
    key = reader.nested(SEQUENCE)
    if not reader.at_end():
        raise DERError("something follows the key")
    if key.peek() == SEQUENCE:
        key.skip()
        key.value(OCTET_STRING)
        return ENCRYPTED_KEY_LABEL
    key.integer()
    following = key.peek()
    if following == SEQUENCE:
        return "PRIVATE KEY"
    if following == OCTET_STRING:
        return "EC PRIVATE KEY"
    numbers = 1
    while key.peek() == INTEGER:
        key.skip()
        numbers += 1
    labels = {9: "RSA PRIVATE KEY", 6: "DSA PRIVATE KEY"}
    if numbers not in labels:
        raise DERError("the shape of no kind of key")
    return labels[numbers]


def read_certificates(path: str, form: str, role: str, limit: int = MAXIMUM_FILE) -> list[Block]:
    """Return the certificates in the file `path`, at least one, in their order.

    Raises `LocalError`.
    """
    data = read_file(path, role, limit)
    if form == DER:
        return [_der_block(data, "CERTIFICATE", path, role)]
    blocks = [block for block in pem_blocks(data, path, role) if block.label in CERTIFICATE_LABELS]
    if not blocks:
        raise invalid(path, role, _not_pem(data, "holds no certificate in PEM"))
    return blocks


def read_trust(path: str, form: str) -> list[Block]:
    """Return the certificates in the file `path`, at least one, and the revocation lists beside them.

    Raises `LocalError`.
    """
    role = "CA certificate"
    data = read_file(path, role, MAXIMUM_TRUST_FILE)
    if form == DER:
        return [_der_block(data, "CERTIFICATE", path, role)]
    blocks = [
        block for block in pem_blocks(data, path, role) if block.label in CERTIFICATE_LABELS or block.label == CRL_LABEL
    ]
    if not any(block.label in CERTIFICATE_LABELS for block in blocks):
        raise invalid(path, role, _not_pem(data, "holds no certificate in PEM"))
    return blocks


def read_crls(path: str, form: str) -> list[Block]:
    """Return the revocation lists in the file `path`, at least one.

    Raises `LocalError`.
    """
    role = "revocation list"
    data = read_file(path, role, MAXIMUM_TRUST_FILE)
    if form == DER:
        return [_der_block(data, CRL_LABEL, path, role)]
    blocks = [block for block in pem_blocks(data, path, role) if block.label == CRL_LABEL]
    if not blocks:
        raise invalid(path, role, _not_pem(data, "holds no revocation list in PEM"))
    return blocks


def _der_block(data: bytes, label: str, path: str, role: str) -> Block:
    try:
        reader = Reader(data)
        reader.nested(SEQUENCE)
        if not reader.at_end():
            raise DERError("something follows it")
    except DERError as problem:
        raise invalid(path, role, _not_der(data, f"not DER ({problem})")) from problem
    return Block(label, data, to_pem(label, data), encrypted=False)


def _not_der(data: bytes, problem: str) -> str:
    return "is PEM, but DER is expected here (-der)" if b"-----BEGIN " in data else problem


def _not_pem(data: bytes, problem: str) -> str:
    looks_like_der = data[:1] == b"0" and data[1:2] >= b"\x80" and b"-----BEGIN " not in data
    return "is DER, but PEM is expected here (-pem)" if looks_like_der else problem


def hashed_files(directory: str) -> tuple[list[str], list[str]]:
    """Return the certificates and the revocation lists in `directory` that have hash names, as `openssl rehash` gives.

    Only these are ever looked at (``1a2b3c4d.0``, ``1a2b3c4d.r0``). Raises `LocalError` if it cannot be listed.
    """
    try:
        names = sorted(os.listdir(directory))
    except (OSError, ValueError) as problem:
        raise unreadable(directory, "CA directory", problem) from problem
    certificates = []
    lists = []
    for name in names:
        digits, _, number = name.partition(".")
        if len(digits) != 8 or not all(digit in "0123456789abcdef" for digit in digits):
            continue
        if number.isdecimal():
            certificates.append(os.path.join(directory, name))
        elif number[:1] == "r" and number[1:].isdecimal():
            lists.append(os.path.join(directory, name))
    return certificates, lists


def password_bytes(password: "str | bytes | Callable[[], str | bytes] | None", path: str) -> bytes:
    """Return the password of the encrypted key `path`, asking for it if `password` is a function.

    Raises `LocalError` (tls-key-password).
    """
    value = password() if callable(password) else password
    if value is None:
        raise LocalError(causes.TLS_KEY_PASSWORD, f"{named(path)} is encrypted, and no password is given", path=path)
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    if len(value) > MAXIMUM_PASSWORD:
        problem = f"{named(path)}: the password is longer than {MAXIMUM_PASSWORD} bytes"
        raise LocalError(causes.TLS_KEY_PASSWORD, problem, path=path)
    return value


class Material:
    """Gives bytes a path for the TLS library to load them from, and takes it away again.

    In memory where the system can (Linux); elsewhere a file that only we can read, removed at the end.
    """

    __slots__ = ("_data", "_descriptor", "_file")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._descriptor = -1
        self._file: str | None = None

    def __enter__(self) -> str:
        path = self._memory_path()
        if path is None:
            import tempfile

            self._descriptor, path = tempfile.mkstemp(prefix="dcmecho-")  # mode 0600
            self._file = path
        try:
            view = memoryview(self._data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        except BaseException:
            self._remove()
            raise
        return path

    def _memory_path(self) -> str | None:
        create = getattr(os, "memfd_create", None)
        if create is None:
            return None
        try:
            self._descriptor = create("dcmecho")
        except OSError:
            return None
        path = f"/proc/self/fd/{self._descriptor}"
        if os.path.exists(path):
            return path
        os.close(self._descriptor)
        return None

    def __exit__(self, *_: object) -> None:
        self._remove()

    def _remove(self) -> None:
        os.close(self._descriptor)
        if self._file is not None:
            os.unlink(self._file)
