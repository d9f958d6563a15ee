"""Code that the operator's verbs share: the options that name a daemon, and the requests to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from tradebot.cli.shared.options import CONFIG_OPTION, combine_options, state_dir_option
from tradebot.cli.shared.state_dir import state_dir_of
from tradebot.control.api_paths import MAX_ROWS, PREFIX

daemon_options = combine_options(CONFIG_OPTION, state_dir_option("The daemon's state directory."))
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
limit_option = click.option(
    "--limit", type=click.IntRange(1, MAX_ROWS), default=100, show_default=True, help="At most this many, the newest."
)


def post_command(path: str | None, state_dir: Path | None, route: str, body: dict[str, Any]) -> dict[str, Any]:
    """Post a command to the daemon and return its answer. Raises DaemonUnavailable or RequestRefused."""
    from tradebot.control import client  # not at the top: `kill` sends no request and must load quickly

    return client.send_request(state_dir_of(state_dir, path), "POST", route, body)


def fetch_list(path: str | None, state_dir: Path | None, name: str, **parameters: Any) -> dict[str, Any]:
    """Fetch what the daemon lists under `name` and return its answer. Raises DaemonUnavailable or RequestRefused."""
    from tradebot.control import client

    given = {key: str(value).lower() if isinstance(value, bool) else value for key, value in parameters.items()}
    query = f"?{urlencode(given)}" if given else ""
    return client.send_request(state_dir_of(state_dir, path), "GET", f"{PREFIX}/{name}{query}")
