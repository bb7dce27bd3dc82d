"""What an option is: the one description that parser, help, manual pages, completions and reference come from."""

from dcmecho.settings import LONGEST_TIMEOUT
from dcmecho.text import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .grammar import Arguments

    Convert = Callable[[str], object]

_MAX_NUMBER_LENGTH = 40
_MAX_HOST_LENGTH = 255
_DIGITS = "0123456789"


class Integer:
    """Convert a word to an integer from `low` to `high`; `zero`, if any, says what 0 means where `low` is above it."""

    __slots__ = ("high", "low", "zero")

    def __init__(self, low: int, high: int, *, zero: str = "") -> None:
        self.low = low
        self.high = high
        self.zero = zero

    @property
    def limits(self) -> str:
        return f"{self.low}..{self.high}" + (f", or 0 for {self.zero}" if self.zero else "")

    def __call__(self, word: str) -> int:
        digits = word[1:] if word.startswith(("-", "+")) else word
        if not digits or digits.strip(_DIGITS):
            raise ValueError(f"{quote(word)} is not an integer")
        # int() refuses thousands of digits, in words of its own; so many are out of every range.
        number = int(word) if len(word) <= _MAX_NUMBER_LENGTH else self.high + 1
        if self.low <= number <= self.high or (number == 0 and self.zero):
            return number
        raise ValueError(f"{quote(word)} is out of range ({self.limits})")


class Seconds:
    """Convert a word to seconds, decimals allowed: above 0 and at most LONGEST_TIMEOUT.

    `zero`, if any, says what 0 means; it is then converted to None.
    """

    __slots__ = ("zero",)

    def __init__(self, *, zero: str = "") -> None:
        self.zero = zero

    @property
    def limits(self) -> str:
        return f"0 for {self.zero}" if self.zero else ""

    def __call__(self, word: str) -> float | None:
        # float() alone would take "nan", "inf", "1_0" and " 1 ".
        if not word or word.strip(_DIGITS + "+-.eE"):
            raise ValueError(f"{quote(word)} is not a number of seconds")
        try:
            number = float(word)
        except ValueError:
            raise ValueError(f"{quote(word)} is not a number of seconds") from None
        if number == 0 and self.zero:
            return None
        if 0 < number <= LONGEST_TIMEOUT:
            return number
        lower = f"0 for {self.zero}, or more than 0" if self.zero else "more than 0"
        raise ValueError(f"{quote(word)} is out of range ({lower} and at most {LONGEST_TIMEOUT:.0f} seconds)")


class Choice:
    """Convert a word to one of a few, in any letter case; `meanings` has every word taken and what it stands for."""

    __slots__ = ("meanings",)

    def __init__(self, meanings: dict[str, str]) -> None:
        self.meanings = meanings

    def __call__(self, word: str) -> str:
        try:
            return self.meanings[word.lower()]
        except KeyError:
            raise ValueError(f"{quote(word)} is none of {', '.join(self.meanings)}") from None


def host(word: str) -> str:
    """Return a host name or an IP address, an IPv6 address without the brackets it may have."""
    name = word
    if word.startswith("[") and word.endswith("]") and ":" in word:
        name = word[1:-1]
    _check_name(name, word)
    if "[" in name or "]" in name or name.count(":") == 1:
        hint = " (the port is a word of its own)" if ":" in name else ""
        raise ValueError(f"{quote(word)} is neither a name nor an address{hint}")
    return name


def server_name(word: str) -> str:
    """Return a name as TLS server name indication and certificates have it."""
    _check_name(word, word)
    if word.startswith("."):
        raise ValueError(f"{quote(word)} begins with a dot")
    return word


def _check_name(name: str, word: str) -> None:
    if not name:
        raise ValueError(f"the name {quote(word)} is empty")
    if not name.isprintable() or " " in name:
        raise ValueError(f"{quote(word)} holds white space or a control character")
    if len(name) > _MAX_HOST_LENGTH:
        raise ValueError(f"{quote(word)} is longer than {_MAX_HOST_LENGTH} characters")


def path(word: str) -> str:
    """Return a path: anything but an empty word."""
    if not word:
        raise ValueError("the file name is empty")
    return word


def name(word: str) -> str:
    """Return a word that is not empty."""
    if not word:
        raise ValueError("the name is empty")
    return word


class Option:
    """One option of a command.

    `names` are all its names, the short one first; `key` is its stable name in the program, which options that
    exclude each other share. `values` are the words it takes, as the help calls them. An option without values, or with
    a `const`, sets its key to `const`; with values their conversion sets it, or is added to it (`collects`).
    Where both are there, `words_key` gets the words. `excludes` are further keys that it sets back to their
    defaults, `implies` a flag that it sets. `request` is what it asks for instead of a run. `default` is that of the
    key; the first option with that key has it. `complete` is "file" or "directory" for the shells; `secret` values
    are never shown.
    """

    __slots__ = (
        "collects",
        "complete",
        "const",
        "convert",
        "default",
        "excludes",
        "help",
        "implies",
        "key",
        "names",
        "request",
        "secret",
        "values",
        "words_key",
    )

    def __init__(
        self,
        names: str,
        key: str,
        help: str,  # noqa: A002 - the word for it
        *,
        values: str = "",
        convert: "Convert | None" = None,
        const: object = True,
        default: object = None,
        collects: bool = False,
        words_key: str = "",
        excludes: tuple[str, ...] = (),
        implies: str = "",
        request: str = "",
        complete: str = "",
        secret: bool = False,
    ) -> None:
        self.names = tuple(names.split())
        self.key = key
        self.help = help
        self.values = tuple(values.split())
        self.convert = convert
        self.const = const
        self.default = default
        self.collects = collects
        self.words_key = words_key
        self.excludes = excludes
        self.implies = implies
        self.request = request
        self.complete = complete
        self.secret = secret

    @property
    def long_name(self) -> str:
        """The first name with two signs."""
        for each in self.names:
            if each.startswith(("--", "++")):
                return each
        return self.names[-1]

    @property
    def label(self) -> str:
        """Both names, for a message: ``+tls (--enable-tls)``."""
        return self.names[0] if len(self.names) == 1 else f"{self.names[0]} ({self.long_name})"

    def __repr__(self) -> str:
        return f"<Option {self.names[0]}>"


class Group:
    """Options under one heading; `tls` says that they belong to TLS."""

    __slots__ = ("options", "title", "tls")

    def __init__(self, title: str, *options: Option, tls: bool = False) -> None:
        self.title = title
        self.options = options
        self.tls = tls


class Parameter:
    """A word without a sign that the command needs, unless `is_needed` says otherwise of a command line; `default`
    stands for it where it is absent."""

    __slots__ = ("convert", "default", "help", "is_needed", "name")

    def __init__(
        self,
        name: str,
        help: str,  # noqa: A002 - as above
        convert: "Convert",
        default: object,
        is_needed: "Callable[[Arguments], bool] | None" = None,
    ) -> None:
        self.name = name
        self.help = help
        self.convert = convert
        self.default = default
        self.is_needed = is_needed


class Command:
    """A command: `summary` in one clause, its parameters in order, its options in groups."""

    __slots__ = ("groups", "name", "parameters", "summary")

    def __init__(self, name: str, summary: str, parameters: tuple[Parameter, ...], groups: tuple[Group, ...]) -> None:
        self.name = name
        self.summary = summary
        self.parameters = parameters
        self.groups = groups

    @property
    def options(self) -> list[Option]:
        """Every option, in the order of the help."""
        return [option for group in self.groups for option in group.options]

    @property
    def synopsis(self) -> str:
        return " ".join([self.name, "[options]", *[parameter.name for parameter in self.parameters]])

    def index(self) -> dict[str, Option]:
        """Return every option by each of its names."""
        return {name: option for group in self.groups for option in group.options for name in option.names}

    def defaults(self) -> dict[str, object]:
        """Return the default of every key, parameters included."""
        defaults: dict[str, object] = {}
        for group in self.groups:
            for option in group.options:
                if option.key not in defaults:
                    defaults[option.key] = option.default
                if option.words_key:
                    defaults[option.words_key] = ()
        for parameter in self.parameters:
            defaults[parameter.name] = parameter.default
        return defaults
