"""The secure transport connection profiles of PS3.15 Annex B, as data. Does not import `ssl`.

Versions, suites and their order are those that DCMTK 3.7.0 uses for each profile: the client's in the order in which
they are offered, the server's by strength.
"""

from dcmecho.errors import UsageError
from dcmecho.text import quote

from .suites import BY_NAME, TLS_1_0, TLS_1_2, TLS_1_3, TLS_1_3_SUITES, Suite

CLIENT = "client"
SERVER = "server"

# What `+cs` may add to a profile.
NOTHING = "nothing"
MODERN = "no SHA-1 message authentication, no unencrypted suite"
ENCRYPTED = "no unencrypted suite"
ANYTHING = "anything"

# Key and hash rules that a profile can enforce; one that it does not enforce is a warning.
OWN_RSA_CLIENT = "own-rsa-client"
OWN_RSA_SERVER = "own-rsa-server"
PEER_RSA_CLIENT = "peer-rsa-client"
PEER_RSA_SERVER = "peer-rsa-server"
OWN_DSA = "own-dsa"
EC = "ec"
WEAK_HASH = "weak-hash"
BROKEN_HASH = "broken-hash"

MINIMUM_RSA_BITS = 2048
MINIMUM_DH_BITS = 2048


class Profile:
    """One security profile.

    `name` is what the library and the long option call it, `short` and `long` are the options, `title` says what it
    is. `minimum` and `maximum` are TLS versions as on the wire. `client` and `server` are the suites of TLS 1.2 and
    older in each role's order; `optional` those among them that a TLS library may lack. `suites_1_3` are the
    standard's for TLS 1.3. `additions` is what `+cs` may add. `refuses` holds the key and hash rules that end a
    connection; the others only warn. `ec_bits` is the smallest elliptic curve key that passes without remark.
    `security_level` is OpenSSL's.
    """

    __slots__ = (
        "additions",
        "client",
        "ec_bits",
        "long",
        "maximum",
        "minimum",
        "name",
        "optional",
        "refuses",
        "security_level",
        "server",
        "short",
        "suites_1_3",
        "title",
    )

    def __init__(
        self,
        name: str,
        short: str,
        title: str,
        versions: tuple[int, int],
        client: str,
        server: str,
        *,
        additions: str,
        optional: str = "",
        suites_1_3: tuple[str, ...] = (),
        refuses: tuple[str, ...] = (),
        ec_bits: int = 224,
        security_level: int = 0,
    ) -> None:
        self.name = name
        self.short = short
        self.long = f"--profile-{name}"
        self.title = title
        self.minimum, self.maximum = versions
        self.client = _suites(client)
        self.server = _suites(server)
        self.optional = _suites(optional)
        self.suites_1_3 = suites_1_3
        self.additions = additions
        self.refuses = refuses
        self.ec_bits = ec_bits
        self.security_level = security_level

    def __repr__(self) -> str:
        return f"<Profile {self.name}>"

    def suites(self, role: str) -> tuple[Suite, ...]:
        """The suites for TLS 1.2 and older in the order of `role`."""
        return self.client if role == CLIENT else self.server


_SHORT_NAMES = {
    "ER128": "ECDHE-RSA-AES128-GCM-SHA256",
    "ER256": "ECDHE-RSA-AES256-GCM-SHA384",
    "EE128": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "EE256": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "DR128": "DHE-RSA-AES128-GCM-SHA256",
    "DR256": "DHE-RSA-AES256-GCM-SHA384",
    "EEC128": "ECDHE-ECDSA-AES128-CCM",
    "EEC128_8": "ECDHE-ECDSA-AES128-CCM8",
    "EEC256": "ECDHE-ECDSA-AES256-CCM",
    "EEC256_8": "ECDHE-ECDSA-AES256-CCM8",
    "ERCH": "ECDHE-RSA-CHACHA20-POLY1305",
    "EECH": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "AES": "AES128-SHA",
    "3DES": "DES-CBC3-SHA",
    "NULL": "NULL-SHA",
}


def _suites(short_names: str) -> tuple[Suite, ...]:
    return tuple(BY_NAME[_SHORT_NAMES[name]] for name in short_names.split())


PROFILES: tuple[Profile, ...] = (
    Profile(
        "8996",
        "+pg",
        "BCP 195 as of RFC 8996 (PS3.15 B.12)",
        (TLS_1_2, TLS_1_3),
        "ER128 EE128 ER256 EE256",
        "ER256 EE256 ER128 EE128",
        additions=MODERN,
        suites_1_3=TLS_1_3_SUITES[:3],
        refuses=(OWN_RSA_SERVER, OWN_DSA, PEER_RSA_CLIENT, BROKEN_HASH),
    ),
    Profile(
        "8996-mod",
        "+pm",
        "BCP 195 as of RFC 8996, modified (PS3.15 B.13)",
        (TLS_1_2, TLS_1_3),
        "EEC128 EEC128_8 ER128 EE128 ERCH EECH EEC256 EEC256_8 ER256 EE256",
        "ER256 EE256 EEC256_8 EEC256 ERCH EECH ER128 EE128 EEC128_8 EEC128",
        additions=NOTHING,
        optional="EEC128 EEC128_8 EEC256 EEC256_8 ERCH EECH",
        suites_1_3=TLS_1_3_SUITES,
        refuses=(
            OWN_RSA_CLIENT,
            OWN_RSA_SERVER,
            OWN_DSA,
            PEER_RSA_CLIENT,
            PEER_RSA_SERVER,
            EC,
            WEAK_HASH,
            BROKEN_HASH,
        ),
        ec_bits=256,
        security_level=2,
    ),
    Profile(
        "bcp195-nd",
        "+py",
        "BCP 195, not downgrading (PS3.15 B.10, retired)",
        (TLS_1_2, TLS_1_3),
        "ER128 DR128 ER256 DR256",
        "ER256 DR256 ER128 DR128",
        additions=ENCRYPTED,
        suites_1_3=TLS_1_3_SUITES[:3],
    ),
    Profile(
        "bcp195",
        "+px",
        "BCP 195 (PS3.15 B.9, retired)",
        (TLS_1_0, TLS_1_3),
        "ER128 DR128 ER256 DR256 AES 3DES",
        "ER256 DR256 ER128 DR128 AES 3DES",
        additions=ENCRYPTED,
        optional="3DES",
        suites_1_3=TLS_1_3_SUITES[:3],
    ),
    Profile(
        "bcp195-ex",
        "+pz",
        "BCP 195, extended (PS3.15 B.11, retired)",
        (TLS_1_2, TLS_1_2),
        "ER128 DR128 ER256 DR256 EE256 EE128",
        "ER256 EE256 DR256 ER128 EE128 DR128",
        additions=NOTHING,
    ),
    Profile(
        "basic",
        "+pb",
        "basic, 3DES (PS3.15 B.1, retired)",
        (TLS_1_0, TLS_1_2),
        "3DES",
        "3DES",
        additions=ENCRYPTED,
    ),
    Profile(
        "aes",
        "+pa",
        "AES (PS3.15 B.3, retired)",
        (TLS_1_0, TLS_1_2),
        "AES 3DES",
        "AES 3DES",
        additions=ENCRYPTED,
        optional="3DES",
    ),
    Profile(
        "null",
        "+pn",
        "authenticated but not encrypted (IHE ATNA)",
        (TLS_1_0, TLS_1_2),
        "NULL",
        "NULL",
        additions=ANYTHING,
    ),
)
"""Every profile, in the order in which `+ph` lists them; the first is the default."""

DEFAULT = PROFILES[0].name


def list_profiles() -> tuple[Profile, ...]:
    """Return every profile, the default first."""
    return PROFILES


def find_profile(name: str) -> Profile:
    """Return the profile called `name` (its name, or the option with or without its sign).

    Raises `UsageError` if there is none.
    """
    for profile in PROFILES:
        if name in (profile.name, profile.short, profile.short[1:], profile.long):
            return profile
    names = ", ".join(profile.name for profile in PROFILES)
    raise UsageError(f"no TLS profile is called {quote(name)}; there are {names}")


def with_additions(profile: Profile, names: tuple[str, ...], role: str) -> tuple[Suite, ...]:
    """Return the suites of `profile` and those called `names` (IANA or OpenSSL) in the order of `role`.

    A client offers additions last, a server prefers the stronger encryption and, where it is equal, the profile's own.

    Raises `UsageError` for a name that is no suite, is one of TLS 1.3, or that the profile does not allow.
    """
    suites = list(profile.suites(role))
    for name in names:
        suite = _addition(profile, name)
        if suite not in suites:
            suites.append(suite)
    if role == SERVER and names:
        suites.sort(key=lambda suite: -suite.bits)
    return tuple(suites)


def _addition(profile: Profile, name: str) -> Suite:
    suite = BY_NAME.get(name)
    if suite is None:
        if name in TLS_1_3_SUITES:
            raise UsageError(f"{name} belongs to TLS 1.3, where suites are not chosen one by one")
        raise UsageError(f"no cipher suite is called {quote(name)}; +cc lists them")
    if profile.additions == NOTHING:
        raise UsageError(f"profile {profile.name} ({profile.short}) allows no cipher suite besides its own (+cs)")
    if suite.bits == 0 and profile.additions != ANYTHING:
        raise UsageError(f"{suite.iana} does not encrypt; profile {profile.name} does not allow it")
    if suite.sha1_mac and profile.additions == MODERN:
        raise UsageError(f"{suite.iana} authenticates with SHA-1; profile {profile.name} does not allow it")
    return suite


def addition_warnings(profile: Profile, names: tuple[str, ...]) -> list[str]:
    """Return what is worth a warning about suites that `+cs` added to `profile`."""
    warnings = []
    for name in names:
        suite = BY_NAME[name]
        if suite in profile.client:
            continue
        if suite.exchange == "RSA" and profile.additions != ANYTHING:
            warnings.append(f"{suite.iana} has no forward secrecy; BCP 195 advises against it")
        elif profile.additions == MODERN and (suite.exchange == "DHE" or not suite.aead):
            kind = "DHE key exchange" if suite.exchange == "DHE" else "CBC encryption"
            warnings.append(f"{suite.iana} uses {kind}; BCP 195 advises against it")
    return warnings
