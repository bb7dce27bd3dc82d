"""The TLS options, for the client's side and the server's."""

from .options import Group, Integer, Option, name, path, server_name

_PLAIN = Option(
    "-tls --disable-tls",
    "transport",
    "plain TCP",
    const="plain",
    default="plain",
    excludes=("key_and_certificate",),
)
_TLS = Option(
    "+tls --enable-tls",
    "transport",
    "TLS, with our private key and certificate from these files",
    values="KEY CERT",
    convert=path,
    const="tls",
    words_key="key_and_certificate",
    complete="file",
)
_ANONYMOUS = Option(
    "+tla --anonymous-tls",
    "transport",
    "TLS without a certificate of ours; the peer's is still verified",
    const="anonymous",
    excludes=("key_and_certificate",),
)

_COMMON = (
    Group(
        "password of the private key",
        Option("+ps --std-passwd", "key_password", "ask for the password if the key is encrypted", const=None),
        Option(
            "+pw --use-passwd", "key_password", "use PASSWORD for the key", values="PASSWORD", convert=str, secret=True
        ),
        Option("-pw --null-passwd", "key_password", "use an empty password for the key", const=""),
        tls=True,
    ),
    Group(
        "file format",
        Option(
            "-pem --pem-keys",
            "file_format",
            "key, certificate and revocation files named after this are PEM",
            const="pem",
            default="pem",
        ),
        Option(
            "-der --der-keys",
            "file_format",
            "key, certificate and revocation files named after this are DER",
            const="der",
        ),
        tls=True,
    ),
    Group(
        "certificate authorities and revocation",
        Option(
            "+cf --add-cert-file",
            "ca_files",
            "trust the certificates in FILE (may be repeated)",
            values="FILE",
            convert=path,
            default=(),
            collects=True,
            complete="file",
        ),
        Option(
            "+cd --add-cert-dir",
            "ca_directories",
            "trust the certificates in DIRECTORY (may be repeated)",
            values="DIRECTORY",
            convert=path,
            default=(),
            collects=True,
            complete="directory",
        ),
        Option(
            "+crl --add-crl-file",
            "crl_files",
            "use the revocation list in FILE (may be repeated; implies +crv)",
            values="FILE",
            convert=path,
            default=(),
            collects=True,
            implies="crl_leaf",
            complete="file",
        ),
        Option("+crv --enable-crl-vfy", "crl_leaf", "check the peer's certificate for revocation", default=False),
        Option("+cra --enable-crl-all", "crl_chain", "check the peer's whole chain for revocation", default=False),
        tls=True,
    ),
    Group(
        "security profile",
        Option("+ph --list-profiles", "list_profiles", "print the security profiles and exit", request="list_profiles"),
        Option("+pg --profile-8996", "profile", "profile BCP 195, RFC 8996", const="8996", default="8996"),
        Option("+pm --profile-8996-mod", "profile", "profile modified BCP 195, RFC 8996", const="8996-mod"),
        Option("+py --profile-bcp195-nd", "profile", "profile non-downgrading BCP 195 (retired)", const="bcp195-nd"),
        Option("+px --profile-bcp195", "profile", "profile BCP 195 (retired)", const="bcp195"),
        Option("+pz --profile-bcp195-ex", "profile", "profile extended BCP 195 (retired)", const="bcp195-ex"),
        Option("+pb --profile-basic", "profile", "profile basic TLS secure transport, 3DES (retired)", const="basic"),
        Option("+pa --profile-aes", "profile", "profile AES TLS secure transport (retired)", const="aes"),
        Option("+pn --profile-null", "profile", "profile authenticated, but not encrypted (retired)", const="null"),
        tls=True,
    ),
    Group(
        "cipher suites",
        Option("+cc --list-ciphers", "list_ciphers", "print the cipher suites and exit", request="list_ciphers"),
        Option(
            "+cs --cipher",
            "ciphers",
            "add the cipher suite with this IANA name (may be repeated)",
            values="NAME",
            convert=name,
            default=(),
            collects=True,
        ),
        Option(
            "+dp --dhparam",
            "dh_parameters",
            "read the parameters for DHE cipher suites from FILE",
            values="FILE",
            convert=path,
            complete="file",
        ),
        tls=True,
    ),
)

_CLIENT_NAMES = Group(
    "server name",
    Option("--no-sni", "no_sni", "name no server in the handshake (default)", default=False),
    Option(
        "--request-sni",
        "request_sni",
        "ask for the server NAME in the handshake (SNI)",
        values="NAME",
        convert=server_name,
    ),
    Option(
        "--verify-hostname",
        "verify_hostname",
        "the peer's certificate must be for NAME",
        values="NAME",
        convert=server_name,
    ),
    tls=True,
)
_SERVER_NAMES = Group(
    "server name",
    Option(
        "--expect-sni",
        "expect_sni",
        "refuse clients that ask for another server than NAME (SNI)",
        values="NAME",
        convert=server_name,
    ),
    tls=True,
)

_COMMON_END = (
    Group(
        "random seed",
        Option("+rs --seed", "seed_file", "seed the generator from FILE", values="FILE", convert=path, complete="file"),
        Option(
            "+ws --write-seed",
            "write_seed",
            "write a new seed to the file of +rs",
            default=False,
            excludes=("write_seed_file",),
        ),
        Option(
            "+wf --write-seed-file",
            "write_seed_file",
            "write a new seed to FILE (with +rs)",
            values="FILE",
            convert=path,
            excludes=("write_seed",),
            complete="file",
        ),
        tls=True,
    ),
    Group(
        "peer's certificate",
        Option(
            "-rc --require-peer-cert",
            "peer_certificate",
            "verify the peer's certificate, fail if there is none",
            const="require",
            default="require",
        ),
        Option(
            "-vc --verify-peer-cert",
            "peer_certificate",
            "verify the peer's certificate if there is one",
            const="verify",
        ),
        Option("-ic --ignore-peer-cert", "peer_certificate", "do not verify the peer's certificate", const="ignore"),
        Option(
            "--expiry-warning",
            "expiry_warning_days",
            "warn of certificates that end within DAYS; 0 for never",
            values="DAYS",
            convert=Integer(0, 36500),
            default=30,
        ),
        tls=True,
    ),
    Group(
        "offline checks (print the result, exit with 0 or 22)",
        Option(
            "+vc --verify-cert",
            "verify_cert",
            "check whether the certificate in FILE would be trusted",
            values="FILE",
            convert=path,
            complete="file",
        ),
        Option(
            "+rc --is-root-cert",
            "is_root_cert",
            "check whether the certificate in FILE is that of a root CA",
            values="FILE",
            convert=path,
            complete="file",
        ),
        tls=True,
    ),
)

CLIENT_GROUPS = (Group("TLS", _PLAIN, _TLS, _ANONYMOUS, tls=True), *_COMMON, _CLIENT_NAMES, *_COMMON_END)
SERVER_GROUPS = (Group("TLS", _PLAIN, _TLS, tls=True), *_COMMON, _SERVER_NAMES, *_COMMON_END)
