"""Write the files that are derived from the commands' option tables: manual pages, completions, reference.

``python tools/render.py`` writes them, ``--check`` writes nothing, names those that are out of date and exits with 1.
"""

import argparse
import sys
from pathlib import Path

from dcmecho.causes import CAUSES
from dcmecho.cli.help import EXAMPLES, EXIT_CODES, describe
from dcmecho.cli.options import Command, Option
from dcmecho.cli.table_scp import ECHOSCP
from dcmecho.cli.table_scu import ECHOSCU
from render_completions import bash_completion, zsh_completion
from render_manual import manual_page

COMMANDS = (ECHOSCU, ECHOSCP)
ROOT = Path(__file__).resolve().parent.parent


def reference(command: Command) -> str:
    """Return the reference of a command in Markdown."""
    lines = [
        "<!-- Made by tools/render.py from the option table: change that, not this. -->",
        f"# {command.name}",
        "",
        f"`{command.synopsis}`: {command.summary}.",
        "",
        "| parameter | meaning |",
        "|---|---|",
        *[f"| `{parameter.name}` | {_cell(parameter.help)} |" for parameter in command.parameters],
        "",
        "The sign belongs to the name of an option: `-rc` and `+rc` are two. A value is the next word, whatever it",
        "begins with. Of options that exclude each other the last one counts. `@FILE` stands for the words in FILE.",
    ]
    defaults = command.defaults()
    for group in command.groups:
        title = f"TLS: {group.title}" if group.tls and group.title != "TLS" else group.title
        lines += ["", f"## {title[0].upper()}{title[1:]}", "", "| option | meaning |", "|---|---|"]
        lines += [f"| {_names(option)} | {_cell(describe(option, defaults))} |" for option in group.options]
    lines += ["", "## Exit codes", "", "| code | when |", "|---|---|"]
    lines += [f"| {code} | {_cell(meaning)} |" for code, meaning in EXIT_CODES[command.name]]
    lines += ["", "## Examples", "", "```sh"]
    for example, meaning in EXAMPLES[command.name]:
        lines += [f"# {meaning}", example]
    return "\n".join([*lines, "```"]) + "\n"


def causes_reference() -> str:
    """Return the reference of the causes of failure in Markdown."""
    lines = [
        "<!-- Made by tools/render.py from dcmecho.causes: change that, not this. -->",
        "# Causes of failure",
        "",
        "Every failure that `dcmecho` reports, as an exception, an exit code or in JSON, has one of these causes. The",
        "names are stable: programs may compare them. `side` tells who must act, `steps` where it can happen.",
        "",
        "| cause | side | steps | meaning | what to try |",
        "|---|---|---|---|---|",
    ]
    for cause in CAUSES.values():
        steps = ", ".join(cause.steps)
        lines.append(f"| `{cause.name}` | {cause.side} | {steps} | {_cell(cause.summary)} | {_cell(cause.hint)} |")
    return "\n".join(lines) + "\n"


def _names(option: Option) -> str:
    return " ".join([f"`{name}`" for name in option.names] + list(option.values))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def rendered() -> dict[str, str]:
    """Return the text of every derived file by its path below the root of the project."""
    files = {
        "share/zsh/site-functions/_echoscu": zsh_completion(COMMANDS),
        "docs/reference/causes.md": causes_reference(),
    }
    for command in COMMANDS:
        files[f"share/man/man1/{command.name}.1"] = manual_page(command)
        files[f"share/bash-completion/completions/{command.name}"] = bash_completion(command)
        files[f"docs/reference/{command.name}.md"] = reference(command)
    return files


def outdated(root: Path) -> list[str]:
    """Return the paths of the derived files below `root` that are missing or not what they should be."""
    return [
        path
        for path, text in sorted(rendered().items())
        if not (root / path).is_file() or (root / path).read_bytes() != text.encode()
    ]


def write(root: Path) -> list[str]:
    """Write the derived files below `root` that are out of date, and return their paths."""
    paths = outdated(root)
    for path in paths:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(rendered()[path].encode())
    return paths


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the files that are derived from the option tables.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit with 1 if a file is out of date")
    parser.add_argument("--root", type=Path, default=ROOT, help="directory to write below (default: the project's)")
    options = parser.parse_args()
    if options.check:
        paths = outdated(options.root)
        for path in paths:
            print(f"out of date: {path}")
        return 1 if paths else 0
    for path in write(options.root):
        print(f"written: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
