"""The verb `api`: where the token of the HTTP API stands, and the document that describes the API."""

from __future__ import annotations

from pathlib import Path

import click

from tradebot.cli.control.daemon import daemon_options
from tradebot.cli.shared.state_dir import state_dir_of
from tradebot.printing import print_error_line, print_json, print_line


@click.group()
def api() -> None:
    """The operator's API over HTTP on this machine: its token, its description."""


@api.command()
@daemon_options
def token(path: str | None, state_dir: Path | None) -> None:
    """Print where the token stands; a daemon with `api.listen` makes it at its first start."""
    from tradebot.control.api_token import token_path

    found = token_path(state_dir_of(state_dir, path)).absolute()
    print_line(found)
    if not found.exists():
        print_error_line("it is not there yet: the first start with api.listen makes it")


@api.command()
def openapi() -> None:
    """Print the OpenAPI document, which the daemon serves at /openapi.json."""
    from tradebot.control.openapi import openapi_document

    print_json(openapi_document(), indent=2)
