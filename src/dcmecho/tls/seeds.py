"""Files with randomness (`+rs`, `+ws`, `+wf`).

The TLS library seeds itself; these options add to that and never replace it.
"""

import os
import stat

from dcmecho import causes
from dcmecho.errors import LocalError

from .files import named, read_file

SEED_BYTES = 1024


def add_seed(path: str) -> None:
    """Mix the file `path` into the TLS library's random generator, without counting on it.

    Raises `LocalError` if it cannot be read or is longer than a mebibyte.
    """
    import ssl

    ssl.RAND_add(read_file(path, "seed"), 0.0)


def write_seed(path: str) -> None:
    """Write 1024 random bytes to the file `path`, readable by its owner only.

    Raises `LocalError` (output-file-unwritable), which is worth a warning and not the end of a run.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                # An existing file keeps its mode when it is opened.
                os.chmod(descriptor if os.chmod in os.supports_fd else path, 0o600)
            os.write(descriptor, os.urandom(SEED_BYTES))
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as problem:
        reason = (problem.strerror if isinstance(problem, OSError) else None) or str(problem)
        raise LocalError(causes.OUTPUT_FILE_UNWRITABLE, f"seed {named(path)}: {reason}", path=path) from problem
