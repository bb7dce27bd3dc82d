"""Completions for bash and zsh from the option tables.

Both walk the line from its beginning, since only that tells an option from a value that looks like one.
"""

from dcmecho.cli.help import describe
from dcmecho.cli.options import Choice, Command, Option

_NOTICE = "# Made by tools/render.py from the option table: change that, not this."


def kind(option: Option) -> str:
    """Return how the values of an option are completed: ``file``, ``directory``, words to choose from, or ````."""
    if isinstance(option.convert, Choice):
        return " ".join(option.convert.meanings)
    return option.complete


def bash_completion(command: Command) -> str:
    """Return the completion of one command for bash (3.2 and later, without the bash-completion package)."""
    names = " ".join([name for option in command.options for name in option.names])
    cases = "\n".join(
        [
            f"            {'|'.join(option.names)}) pending={len(option.values)} kind='{kind(option)}' ;;"
            for option in command.options
            if option.values
        ]
    )
    hosts = ""
    if command.parameters[0].name == "peer":
        hosts = "    elif ((parameters == 0)); then\n        generate=(-A hostname)\n"
    return f"""\
# bash completion for {command.name}
{_NOTICE}

_{command.name}() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} kind='' word i pending=0 parameters=0
    local -a generate
    for ((i = 1; i < COMP_CWORD; i++)); do
        if ((pending > 0)); then
            ((pending -= 1))
            continue
        fi
        case ${{COMP_WORDS[i]}} in
{cases}
            [-+]*) ;;
            *) ((parameters += 1)) ;;
        esac
    done
    generate=()
    if ((pending > 0)); then
        case $kind in
            '') ;;
            file) generate=(-f) ;;
            directory) generate=(-d) ;;
            *) generate=(-W "$kind") ;;
        esac
        [[ $kind == file || $kind == directory ]] && compopt -o filenames 2>/dev/null
    elif [[ $current == [-+]* ]]; then
        generate=(-W '{names}')
{hosts}    fi
    COMPREPLY=()
    [[ ${{#generate[@]}} -eq 0 ]] && return
    while IFS= read -r word; do
        COMPREPLY+=("$word")
    done < <(compgen "${{generate[@]}}" -- "$current")
}}

complete -F _{command.name} {command.name}
"""


def zsh_completion(commands: tuple[Command, ...]) -> str:
    """Return the completion of all commands for zsh.

    (_arguments is not used: it reads signs such as the ``=`` of ``-x=`` as its own.)
    """
    cases = "\n".join([_zsh_case(command) for command in commands])
    return f"""\
#compdef {" ".join([command.name for command in commands])}
{_NOTICE}

local -a names
local -A takes
local word kind
local -i i pending=0 parameters=0

case $service in
{cases}
esac

for ((i = 2; i < CURRENT; i++)); do
    word=$words[i]
    if ((pending > 0)); then
        ((pending -= 1))
    elif [[ -n ${{takes[$word]}} ]]; then
        pending=${{takes[$word]%%:*}}
        kind=${{takes[$word]#*:}}
    elif [[ $word != [-+]* ]]; then
        ((parameters += 1))
    fi
done

if ((pending > 0)); then
    case $kind in
        file) _files ;;
        directory) _files -/ ;;
        [a-z]*) compadd -- ${{=kind}} ;;
        *) _message -r $kind ;;
    esac
elif [[ $words[CURRENT] == [-+]* ]]; then
    _describe -o option names
elif [[ $service == echoscu && $parameters -eq 0 ]]; then
    _hosts
else
    _describe -o option names
fi
"""


def _zsh_case(command: Command) -> str:
    defaults = command.defaults()
    names = [_zsh_word(f"{name}:{describe(option, defaults)}") for option in command.options for name in option.names]
    takes = [
        f"{name} {_zsh_word(f'{len(option.values)}:{kind(option) or option.values[0]}')}"
        for option in command.options
        if option.values
        for name in option.names
    ]
    indent = "\n            "
    return f"""\
    {command.name})
        names=({indent}{indent.join(names)}
        )
        takes=({indent}{indent.join(takes)}
        )
        ;;"""


def _zsh_word(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
