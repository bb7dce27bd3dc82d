"""Text from outside, made safe to show. Imports nothing."""


def escape(text: str) -> str:
    """Return `text` with everything that could steer a terminal or forge a log line shown as an escape.

    Control characters, line and paragraph separators, and whatever Python calls not printable (bidirectional
    overrides, lone surrogates, private use) appear as ``\\x1b``, ``\\u202e`` and the like; a backslash is doubled,
    so that an escape in the result is always ours. Printable text of any script stays as it is.
    """
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(_escape_one(character) for character in text)


def _escape_one(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quote(text: str) -> str:
    """Return `text` escaped and in double quotes, so that leading and trailing spaces can be seen."""
    return '"' + escape(text).replace('"', '\\"') + '"'


def bytes_to_text(data: bytes) -> str:
    """Return bytes of unknown encoding as text, one character a byte (ISO 8859-1), so that nothing is lost."""
    return data.decode("latin-1")
