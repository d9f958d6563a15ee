"""The verb `completion`: prints the script that makes a shell complete the command line."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from tradebot.printing import print_text


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL, to be sourced by it."""
    script = get_completion_class(shell)
    assert script is not None, f"click has no completion for {shell}"
    root = click.get_current_context().find_root().command
    print_text(script(root, {}, "tradebot", "_TRADEBOT_COMPLETE").source() + "\n")
