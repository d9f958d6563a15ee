"""What can be known of a command without running it: its verb, its options, its make target and variables are there."""

from __future__ import annotations

import re
import subprocess

import click

from tests.documents.typed import ROOT, simple
from tradebot import __main__

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def faults(command: str, *, is_mention: bool = False) -> list[str]:
    """Return what is wrong with a shell line; a mention may leave out what a command needs."""
    if subprocess.run(["bash", "-n", "-c", command], capture_output=True, check=False).returncode:
        return ["bash cannot read it"]
    known = {"tradebot": _of_tradebot, "make": _of_make}
    return [fault for words in simple(command) if words[0] in known for fault in known[words[0]](words[1:], is_mention)]


def options() -> set[str]:
    """Return every option of every verb."""
    found: set[str] = set()
    queue: list[click.Command] = [__main__.tradebot]
    while queue:
        one = queue.pop()
        found |= {opt for param in one.params for opt in (*param.opts, *param.secondary_opts) if opt.startswith("-")}
        if isinstance(one, click.Group):
            context = click.Context(one)
            queue += [sub for name in one.list_commands(context) if (sub := one.get_command(context, name))]
    return found | {"--help"}


def _of_tradebot(words: list[str], is_mention: bool) -> list[str]:
    command: click.Command = __main__.tradebot
    name, context = "tradebot", click.Context(command)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        sub = command.get_command(context, words[0])
        if sub is None:
            return [f"{name} has no verb {words[0]}"]
        name, command, words = f"{name} {words[0]}", sub, words[1:]
    if isinstance(command, click.Group) and not words:
        return []
    has_blanks = any(re.fullmatch(r"[A-Z_]+|<.*>|.*\.\.\..*", word) for word in words)
    try:
        command.make_context(name, list(words))
    except click.NoSuchOption as error:
        return [f"{name} {error.format_message()}"]
    except click.UsageError as error:
        return [] if is_mention or has_blanks else [f"{name}: {error.format_message()}"]
    return []


def _of_make(words: list[str], is_mention: bool) -> list[str]:
    found = []
    for word in words:
        variable, is_set, value = word.partition("=")
        if not is_set and not re.search(rf"^{re.escape(word)}:", MAKEFILE, re.MULTILINE):
            found.append(f"make has no target {word}")
        if is_set and f"$({variable})" not in MAKEFILE and f"$(if $({variable})" not in MAKEFILE:
            found.append(f"make knows no variable {variable}")
        if variable == "TESTS" and not (ROOT / value.partition("::")[0]).exists():
            found.append(f"{value} is not there")
    return found
