"""The files derived from the option tables: up to date, clean, and working in real shells."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = (
    "docs/reference/causes.md",
    "docs/reference/echoscp.md",
    "docs/reference/echoscu.md",
    "share/bash-completion/completions/echoscp",
    "share/bash-completion/completions/echoscu",
    "share/man/man1/echoscp.1",
    "share/man/man1/echoscu.1",
    "share/zsh/site-functions/_echoscu",
)
ZSH_FUNCTIONS = ROOT / "share/zsh/site-functions"


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def render(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "tools/render.py"), *words], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_files_in_the_tree_are_up_to_date() -> None:
    done = render("--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_files_are_checked_and_written(tmp_path: Path) -> None:
    missing = render("--check", "--root", str(tmp_path))
    assert (missing.returncode, missing.stdout) == (1, "".join(f"out of date: {name}\n" for name in FILES))
    assert not list(tmp_path.iterdir())
    written = render("--root", str(tmp_path))
    assert (written.returncode, written.stdout) == (0, "".join(f"written: {name}\n" for name in FILES))
    changed = tmp_path / FILES[0]
    changed.write_text(changed.read_text() + "\n")
    assert render("--check", "--root", str(tmp_path)).stdout == f"out of date: {FILES[0]}\n"
    assert render("--root", str(tmp_path)).stdout == f"written: {FILES[0]}\n"
    assert render("--check", "--root", str(tmp_path)).returncode == 0


@pytest.mark.parametrize("name", ["echoscu", "echoscp"])
@needs("man")
def test_manual_pages_are_clean_for_man(name: str) -> None:
    page = ROOT / f"share/man/man1/{name}.1"
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MAN_KEEP_FORMATTING": ""}
    done = subprocess.run(
        ["man", "--warnings", "-l", str(page)], capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    for heading in ("NAME", "SYNOPSIS", "OPTIONS", "EXIT STATUS", "EXAMPLES", "DIFFERENCES", "SEE ALSO"):
        assert f"\n{heading}\n" in done.stdout
    assert "-x=, --prefer-uncompr" in done.stdout or name == "echoscu"


@pytest.mark.parametrize("name", ["echoscu", "echoscp"])
@needs("mandoc")
def test_manual_pages_are_clean_for_mandoc(name: str) -> None:
    page = ROOT / f"share/man/man1/{name}.1"
    done = subprocess.run(["mandoc", "-Tlint", str(page)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


# Completions. A case is the line up to the cursor, some words that must be offered, and some that must not.

CASES = [
    ("echoscu", ["+t"], {"+tls", "+tla"}, {"-tls", "--timeout"}),
    ("echoscp", ["+t"], {"+tls"}, {"+tla"}),
    ("echoscp", ["-x"], {"-x=", "-xe", "-xb", "-xi"}, {"-v"}),
    ("echoscu", ["--prop"], {"--propose-ts", "--propose-pc"}, {"--abort"}),
    ("echoscu", ["-ll", ""], {"fatal", "critical", "warning", "trace"}, {"-v", "key.pem"}),
    ("echoscu", ["-v", "--log-level", "w"], {"warn", "warning"}, {"info"}),
    ("echoscu", ["+tls", ""], {"key.pem", "sub"}, {"fatal"}),
    ("echoscu", ["+tls", "key.pem", "k"], {"key.pem"}, {"sub"}),
    ("echoscu", ["+tls", "key.pem", "cert.pem", "-pt"], {"-pts"}, {"key.pem"}),
    ("echoscu", ["+cd", ""], {"sub"}, {"key.pem"}),
    ("echoscu", ["-aet", "-"], set(), {"-v", "--help", "key.pem"}),
    ("echoscu", ["-aet", "+cd", "+c"], {"+cd", "+cf", "+crl"}, {"sub"}),
]
IDS = [" ".join([name, *words]) for name, words, _, _ in CASES]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "key.pem").touch()
    return tmp_path


@pytest.mark.parametrize(("name", "words", "offered", "hidden"), CASES, ids=IDS)
@needs("bash")
def test_bash_completion(name: str, words: list[str], offered: set[str], hidden: set[str], directory: Path) -> None:
    script = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        '"_$1"; (( ${#COMPREPLY[@]} )) && printf "%s\\n" "${COMPREPLY[@]}"; complete -p "$1" >&2'
    )
    file = ROOT / f"share/bash-completion/completions/{name}"
    done = subprocess.run(
        ["bash", "--norc", "--noprofile", "-uc", script, "bash", str(file), name, *words],
        capture_output=True,
        text=True,
        cwd=directory,
        check=True,
    )
    found = set(done.stdout.splitlines())
    assert offered <= found
    assert not hidden & found
    assert all(word.startswith(words[-1]) for word in found)
    assert done.stderr == f"complete -F _{name} {name}\n"


ZSH_STUBS = """
_describe() { local -a list; list=("${(@P)argv[-1]}"); print -rl -- "${list[@]%%:*}" }
compadd() { shift; print -rl -- "$@" }
_files() { if [[ $1 == -/ ]]; then print -rl -- *(N/); else print -rl -- *(N); fi }
_message() { : }
_hosts() { : }
complete_line() { local service=$1; local -a words; words=("$@"); local -i CURRENT=$#; source "$FILE" }
complete_line "$@"
"""


@pytest.mark.parametrize(("name", "words", "offered", "hidden"), CASES, ids=IDS)
@needs("zsh")
def test_zsh_completion(name: str, words: list[str], offered: set[str], hidden: set[str], directory: Path) -> None:
    # zsh itself drops what does not begin with the word under the cursor.
    done = subprocess.run(
        ["zsh", "-fc", ZSH_STUBS, "zsh", name, *words],
        capture_output=True,
        text=True,
        cwd=directory,
        env={**os.environ, "FILE": str(ZSH_FUNCTIONS / "_echoscu")},
        check=True,
    )
    found = {word for word in done.stdout.splitlines() if word.startswith(words[-1])}
    assert done.stderr == ""
    assert offered <= found
    assert not hidden & found


ZSHRC = """
PROMPT= RPROMPT=
unsetopt beep zle_bracketed_paste 2>/dev/null
fpath=("$FUNCTIONS" $fpath)
autoload -Uz compinit && compinit -u -d "$ZDOTDIR/dump"
zstyle ':completion:*' insert-tab false
bindkey '^I' complete-word
finish() { print -r -- "$BUFFER" >"$ZDOTDIR/line"; exit }
zle -N finish
bindkey '^X' finish
ready() { print READY }
zle -N zle-line-init ready
"""


def type_into_zsh(keys: str, directory: Path) -> str:
    """Return the command line that stands in a real, interactive zsh after `keys`."""
    (directory / ".zshrc").write_text(ZSHRC)
    environment = {
        **os.environ,
        "ZDOTDIR": str(directory),
        "HOME": str(directory),
        "FUNCTIONS": str(ZSH_FUNCTIONS),
        "TERM": "dumb",
    }
    master, slave = pty.openpty()
    shell = subprocess.Popen(
        ["zsh", "-di"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=directory,
        env=environment,
        start_new_session=True,
    )
    os.close(slave)
    try:
        seen = b""
        sent = False
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if not select.select([master], [], [], 0.5)[0]:
                if shell.poll() is not None:
                    break
                continue
            try:
                data = os.read(master, 65536)
            except OSError:  # Linux: every end of the slave is closed
                break
            if not data:
                break
            seen += data
            if b"READY" in seen and not sent:
                sent = True
                os.write(master, f"{keys}\x18".encode())
        shell.wait(10)
    finally:
        shell.kill()
        shell.wait()
        os.close(master)
    return (directory / "line").read_text().removesuffix("\n")


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("echoscu +d\t", "echoscu +dp "),
        ("echoscu --anon\t", "echoscu --anonymous-tls "),
        ("echoscp --prefer-u\t", "echoscp --prefer-uncompr "),
        ("echoscu -ll tr\t", "echoscu -ll trace "),
        ("echoscu +tls ke\t", "echoscu +tls key.pem "),
        ("echoscp +cd s\t", "echoscp +cd sub/"),
    ],
)
@needs("zsh")
def test_zsh_completion_at_a_terminal(keys: str, line: str, directory: Path) -> None:
    assert type_into_zsh(keys, directory) == line
