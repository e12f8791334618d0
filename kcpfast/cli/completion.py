"""completion: prints a script that lets a shell complete command lines of kcpfast.

The scripts know nothing: as someone types they ask the program, as kubectl asks its plugins, in the
words of github.com/spf13/cobra: `kcpfast __complete WORD ...`, the last word being typed. Each line
of the answer is a word, a tab and what it means; the last is `:0` if it may be a file, else `:4`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kcpfast.cli.arguments import CONNECTION_FLAGS, SWITCH, Command, CommandLine, Flag
from kcpfast.cli.commands import children, command_of, find
from kcpfast.cli.failure import Failure

_FILES, _NO_FILES = ":0", ":4"
_SCRIPTS = {
    "bash": """\
_kcpfast() {
    local line="${COMP_LINE:0:COMP_POINT}" words current kept word
    read -ra words <<< "$line"
    [[ "$line" == *[[:space:]] ]] && words+=("")
    current="${words[-1]}"
    # What stands before the last of these is not replaced by bash.
    kept="${current%"${current##*[=:]}"}"
    COMPREPLY=()
    while IFS=$'\\t' read -r word _; do
        case "$word" in
            :0) compopt -o default ;;
            :4) ;;
            *) COMPREPLY+=("${word#"$kept"}") ;;
        esac
    done < <("${words[0]/#\\~/$HOME}" __complete "${words[@]:1}" 2>/dev/null)
}
complete -F _kcpfast kcpfast
""",
    "fish": """\
function __kcpfast_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case :0
                __fish_complete_path "$current"
            case :4
            case '*'
                echo $line
        end
    end
end
complete -c kcpfast -f -a '(__kcpfast_complete)'
""",
    "zsh": """\
#compdef kcpfast
_kcpfast() {
    local line
    local -a offered
    for line in "${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        case "$line" in
            :0) _files ;;
            :4) ;;
            *) offered+=("${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}") ;;
        esac
    done
    _describe kcpfast offered
}
if [[ "$funcstack[1]" == _kcpfast ]]; then
    _kcpfast "$@"
else
    compdef _kcpfast kcpfast
fi
""",
}
COMMAND = Command(
    "bash | zsh | fish",
    "Print a script that lets a shell complete command lines: source <(kcpfast completion bash).",
    examples=(
        ("each new bash", "bash > /etc/bash_completion.d/kcpfast"),
        ("each new zsh whose $fpath has the directory", "zsh > ~/.zfunc/_kcpfast"),
        ("each new fish", "fish > ~/.config/fish/completions/kcpfast.fish"),
    ),
    connects=False,
    choices=tuple(sorted(_SCRIPTS)),
)


def run(call: CommandLine) -> int | None:
    """Print the script of the shell that is named; None if none is, Failure if it is not known."""
    if not call.words:
        return None
    if len(call.words) > 1:
        raise Failure(f"accepts 1 arg(s), received {len(call.words)}")
    script = _SCRIPTS.get(call.words[0])
    if script is None:
        raise Failure(f'unknown shell "{call.words[0]}"; there are {", ".join(COMMAND.choices)}')
    print(script, end="")
    return 0


def answer(path: str, words: Sequence[str]) -> str:
    """Return what may follow: `words` come after the command `path`, the last is being typed."""
    *before, current = words or [""]
    _, path, rest = find("", path, before)
    asked = command_of(path)
    flags = asked.known if asked else CONNECTION_FLAGS
    flag = _awaiting(before[-1], flags) if before else None
    if flag is not None:
        return _values(flag, current, "")
    if current.startswith("-"):
        name, given, _ = current.partition("=")
        flag = _awaiting(name, flags)
        if given:
            return _values(flag, current, f"{name}=") if flag else _NO_FILES
        return _lines([(f"--{flag.name}", flag.help) for flag in flags], current, _NO_FILES)
    if _words(rest, flags):
        return _NO_FILES  # no command takes a second word that could be known here
    offered = [(row.path, row.about) for row in children(path)]
    if asked is None:
        return _lines(offered, current, _NO_FILES)
    offered += [(choice, "") for choice in asked.choices]
    return _lines(offered, current, _FILES if "DIR" in asked.usage else _NO_FILES)


def _words(rest: Sequence[str], flags: Sequence[Flag]) -> list[str]:
    """Return the words of a command line that are neither flags nor their values."""
    words = []
    left = iter(rest)
    for word in left:
        if not word.startswith("-") or word == "-":
            words.append(word)
        elif _awaiting(word, flags):
            next(left, None)
    return words


def _awaiting(word: str, flags: Iterable[Flag]) -> Flag | None:
    """Return the flag whose value stands behind a word, None if the word wants none."""
    if not word.startswith("-") or "=" in word:
        return None
    for flag in flags:
        if word == f"--{flag.name}" or (flag.short and word == f"-{flag.short}"):
            return None if flag.kind == SWITCH else flag
    return None


def _values(flag: Flag, current: str, before: str) -> str:
    choices = [(before + choice, "") for choice in flag.choices]
    return _lines(choices, current, _NO_FILES if choices else _FILES)


def _lines(offered: Iterable[tuple[str, str]], current: str, last: str) -> str:
    lines = [f"{word}\t{text}" for word, text in offered if word.startswith(current)]
    return "\n".join([*lines, last])
