"""``python -m dcmecho echoscu|echoscp ...``: the commands where they are not on the PATH."""

import sys


def main() -> int:
    """Run the command that the first word names; return its exit code."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name == "echoscu":
        from .cli.echoscu import main as run
    elif name == "echoscp":
        from .cli.echoscp import main as run
    else:
        asks = name in ("-h", "--help")
        print(
            "usage: python -m dcmecho echoscu|echoscp [options] ...\nEach has a --help of its own.",
            file=sys.stdout if asks else sys.stderr,
        )
        return 0 if asks else 1
    return run(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
