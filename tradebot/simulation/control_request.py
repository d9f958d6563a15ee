"""A request to a daemon's control socket on virtual time, as the command line sends it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp

from tradebot.control.socket_address import SOCKET_NAME

ANSWER_WITHIN_S = 5.0


async def ask_control_socket(state_dir: Path, verb: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """Return the answer of the daemon of `state_dir`, None without one or where it refuses. Without a body it reads."""
    path = str(state_dir / SOCKET_NAME)
    with suppress(aiohttp.ClientError, OSError):
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(path, force_close=True)) as session,
            session.request(
                "GET" if body is None else "POST", f"http://localhost/{verb}", json=body,
                timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN_S),
            ) as answer,
        ):  # fmt: skip
            content: dict[str, Any] = await answer.json()
            return content if answer.status == 200 else None
    return None
