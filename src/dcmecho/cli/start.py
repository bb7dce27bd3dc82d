"""Where the installed commands begin.

The garbage collector would look through every module that is being loaded, for a fifteenth of an `echoscu` run. A run
leaves it nothing to find: what it makes is freed by reference counting. A server wants it.
"""

import gc

gc.disable()


def echoscu() -> None:
    """Run echoscu and end the process."""
    from .echoscu import run

    run()


def echoscp() -> int:
    """Run echoscp; return the exit code."""
    from .echoscp import main

    gc.enable()
    return main()
