"""Code that the operator's verbs share: the options that name a daemon, and the request to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tradebot.cli.shared.options import CONFIG_OPTION, combine_options, state_dir_option
from tradebot.cli.shared.state_dir import state_dir_of

daemon_options = combine_options(CONFIG_OPTION, state_dir_option("The daemon's state directory."))


def post_command(path: str | None, state_dir: Path | None, route: str, body: dict[str, Any]) -> dict[str, Any]:
    """Post a command to the daemon and return its answer. Raises DaemonUnavailable or RequestRefused."""
    from tradebot.control import client  # not at the top: `kill` sends no request and must load quickly

    return client.send_request(state_dir_of(state_dir, path), "POST", route, body)
