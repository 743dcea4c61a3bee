"""Tab completion: a script for bash, zsh or fish that knows every verb, flag and choice.

It is written once and asks nothing of Python while one types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spark_cxr.config import flagged_items
from spark_cxr.errors import ConfigError, nearest

EVERYWHERE = ("--help", "--help-all", "--conf", "--set")
SHELLS = ("bash", "zsh", "fish")
BASH = """\
_spark_cxr() {
  local word="${COMP_WORDS[COMP_CWORD]}" last="${COMP_WORDS[COMP_CWORD-1]}" verb="${COMP_WORDS[1]}"
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "%(verbs)s" -- "$word")); return
  fi
  case "$verb $last" in
%(choices)s
  esac
  case "$word" in
    -*) case "$verb" in
%(flags)s
    esac ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}
complete -o filenames -F _spark_cxr spark-cxr
"""
Flags = Mapping[str, Sequence[str]]
"""A verb's flags, each with the words that it takes where these are known."""


def flags_of(sections: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """List the flags of a verb with these sections."""
    found: dict[str, tuple[str, ...]] = dict.fromkeys(EVERYWHERE, ())
    for _, item in flagged_items(sections):
        flag = item.name.replace("_", "-")
        words = item.metadata.get("choices", ()) if item.type in ("str", "Names") else ()
        found[f"--{flag}"] = tuple(filter(None, words))
        if item.type == "bool":
            found[f"--no-{flag}"] = ()
    return found


def completion(shell: str, verbs: Mapping[str, Flags], summaries: Mapping[str, str]) -> str:
    """Write the script for a shell.

    Raises:
        ConfigError: There is none for it.
    """
    if shell == "bash":
        return _bash(verbs)
    if shell == "zsh":
        return f"autoload -U +X bashcompinit && bashcompinit\n{_bash(verbs)}"
    if shell == "fish":
        return _fish(verbs, summaries)
    raise ConfigError(f"a shell of {', '.join(SHELLS)}", shell or "none", nearest(shell, SHELLS))


def _bash(verbs: Mapping[str, Flags]) -> str:
    flags = (
        f'      {verb}) COMPREPLY=($(compgen -W "{" ".join(known)}" -- "$word")) ;;'
        for verb, known in verbs.items()
    )
    choices = (
        f'    "{verb} {flag}") COMPREPLY=($(compgen -W "{" ".join(words)}" -- "$word")); return ;;'
        for verb, known in verbs.items()
        for flag, words in known.items()
        if words
    )
    parts = {"verbs": " ".join(verbs), "flags": "\n".join(flags), "choices": "\n".join(choices)}
    return BASH % parts


def _fish(verbs: Mapping[str, Flags], summaries: Mapping[str, str]) -> str:
    lines = [
        f"complete -c spark-cxr -n __fish_use_subcommand -a {verb} -d '{_quoted(summaries[verb])}'"
        for verb in verbs
    ]
    for verb, known in verbs.items():
        start = f"complete -c spark-cxr -n '__fish_seen_subcommand_from {verb}'"
        for flag, words in known.items():
            takes = f" -xa '{' '.join(words)}'" if words else ""
            lines.append(f"{start} -l {flag[2:]}{takes}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
