"""What the commands tell about themselves."""

import os
import shlex
import shutil
import ssl
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dcmecho
from dcmecho.cli import help as help_
from dcmecho.cli.grammar import parse
from dcmecho.cli.options import Command
from dcmecho.cli.table_scp import ECHOSCP
from dcmecho.cli.table_scu import ECHOSCU

COMMANDS = pytest.mark.parametrize("command", [ECHOSCU, ECHOSCP], ids=lambda command: command.name)


@COMMANDS
@pytest.mark.parametrize("width", [50, 64, 80])
def test_the_help_fits_the_terminal(command: Command, width: int) -> None:
    lines = help_.help_text(command, width).splitlines()
    assert max(map(len, lines)) <= width
    assert not [line for line in lines if line != line.rstrip()]


@COMMANDS
def test_the_help_is_never_wider_than_80_columns_and_never_unreadably_narrow(command: Command) -> None:
    assert help_.help_text(command, 200) == help_.help_text(command) == help_.help_text(command, 80)
    assert help_.help_text(command, 1) == help_.help_text(command, 50)


@COMMANDS
def test_the_help_is_complete(command: Command) -> None:
    text = help_.help_text(command)
    words = text.replace(",", " ").split()
    for option in command.options:
        assert set(option.names) <= set(words)
    assert f"usage: {command.synopsis}\n" in text
    for code, _ in help_.EXIT_CODES[command.name]:
        assert f"\n  {code} " in text
    for example, _ in help_.EXAMPLES[command.name]:
        assert f"\n  {example}\n" in text
    assert text.isascii()
    assert text.endswith("\n")


@COMMANDS
def test_the_examples_are_right(command: Command) -> None:
    for example, _ in help_.EXAMPLES[command.name]:
        name, *words = shlex.split(example)
        assert name == command.name
        assert parse(command, words).request is None


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("-aec", "(default: ANY-SCP)"),
        ("-pts", "(1..53; default: 1)"),
        ("-ts", "(0 for none; default: 60)"),
        ("-to", "(default: unlimited)"),
        ("-pdu", "(4096..131072, or 0 for no limit; default: 16384)"),
        ("-tls", "plain TCP (default)"),
        ("-i0", "IPv4 first (default)"),
        ("+ps", "is encrypted (default)"),
        ("+pg", "RFC 8996 (default)"),
        ("+tla", "is still verified"),
        ("-lc", "a logger.cfg of DCMTK"),
        ("+cf", "(may be repeated)"),
        ("--abort", "not A-RELEASE"),
        ("--help", "and exit"),
    ],
)
def test_an_options_text_ends_with_its_limits_and_default(name: str, end: str) -> None:
    assert help_.describe(ECHOSCU.index()[name], ECHOSCU.defaults()).endswith(end)


def test_the_version_names_package_python_and_tls_library() -> None:
    first, second, third = help_.version_text().splitlines()
    assert first == f"dcmecho {dcmecho.__version__}"
    assert second == f"Python {sys.version.split()[0].rstrip('+')} ({sys.implementation.name}, {sys.platform})"
    assert third == f"TLS library: {ssl.OPENSSL_VERSION}"


def test_the_version_without_a_tls_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ssl", None)
    assert help_.version_text().endswith("\nTLS library: none\n")


def test_the_width_is_the_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    assert help_.terminal_width() == 80
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((61, 24)))
    monkeypatch.setattr(sys, "stdout", sys.__stderr__)
    assert help_.terminal_width() == 61
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((0, 0)))
    assert help_.terminal_width() == 80


def test_the_command_line_as_understood() -> None:
    arguments = parse(ECHOSCU, ["-v", "pacs", "--called-aet", "IT'S", "+tls", "k", "c", "+pw", "secret", "104"])
    line = help_.arguments_line(arguments)
    assert line == (
        "'echoscu' '--verbose' '--call' 'IT'\\''S' '--enable-tls' 'k' 'c' '--use-passwd' '***' 'pacs' '104'"
    )


@given(st.text().filter(lambda word: word.isprintable()))
def test_printable_words_are_read_back_as_they_were(word: str) -> None:
    assert shlex.split(help_._shell_quoted(word)) == [word]


@given(st.text(st.characters()))
def test_a_shown_command_line_cannot_steer_a_terminal(word: str) -> None:
    assert help_._shell_quoted(word).isprintable()


def test_a_word_that_no_unix_can_pass_is_shown_all_the_same() -> None:
    assert help_._shell_quoted("\ud800") == "$'\\355\\240\\200'"


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    "word", ["", "a b", "it's", "$HOME `x` \\", "a\nb\n", "\x1b[2J'\\1", "\u202e1", os.fsdecode(b"\xff1")]
)
def test_a_shell_reads_every_word_back(word: str) -> None:
    quoted = help_._shell_quoted(word)
    assert quoted.isprintable()
    done = subprocess.run(["bash", "-c", f"printf '%s' {quoted}"], capture_output=True, check=True)
    assert done.stdout == os.fsencode(word)
