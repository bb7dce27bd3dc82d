"""What is wrong with a log configuration, before it is known which file it came from."""


class Problem(Exception):
    """A configuration that cannot be used: `text` says why, `line` where (from 1; None if the whole file)."""

    def __init__(self, text: str, line: int | None = None) -> None:
        super().__init__(text, line)
        self.text = text
        self.line = line


def shown(text: str) -> str:
    """Return `text` in quotation marks for a message, its end left out if it is long."""
    return f'"{text}"' if len(text) <= 60 else f'"{text[:57]}..."'
