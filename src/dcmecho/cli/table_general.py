"""Options that both commands have."""

from .options import Choice, Group, Option, path

LEVELS = {
    "fatal": "fatal",
    "critical": "fatal",
    "error": "error",
    "warn": "warn",
    "warning": "warn",
    "info": "info",
    "debug": "debug",
    "trace": "trace",
}
"""Every word for a level, and the one that `log_level` then holds."""

ASK = (
    Option("-h --help", "help", "print this help and exit", request="help"),
    Option("--version", "version", "print the versions of this program, Python and TLS, and exit", request="version"),
    Option("--arguments", "arguments", "print the expanded command line, then go on", default=False),
)

LOGGING = Group(
    "logging",
    Option("-q --quiet", "log_level", "show only what ends the run", const="fatal", default="warn"),
    Option("-v --verbose", "log_level", "show the steps of the run", const="info"),
    Option("-d --debug", "log_level", "show every PDU and message too", const="debug"),
    Option(
        "-ll --log-level",
        "log_level",
        "show messages of LEVEL and above: fatal (critical), error, warn (warning), info, debug, trace; "
        "trace adds the bytes on the wire",
        values="LEVEL",
        convert=Choice(LEVELS),
    ),
    Option(
        "-lc --log-config",
        "log_config",
        "log as FILE says, whatever -q, -v, -d and -ll say: a Python logging configuration (INI, JSON or TOML) or a "
        "logger.cfg of DCMTK",
        values="FILE",
        convert=path,
        complete="file",
    ),
)
