"""The units of the watch: a timer, and the service that looks at the daemon once and tells a person when it needs one.

A daemon that is dead cannot tell that it is, so this is a process of its own, with a user and a state in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tradebot.ops.systemd_unit import (
    check_user,
    credential_lines,
    is_at_home,
    quote_argument,
    render_sandbox,
    unit_path,
)

LOOK_EVERY_MIN = 2

SERVICE_TEMPLATE = """\
[Unit]
Description=tradebot watch over {unit}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart={command}
# The daemon's own state directory: its socket is there, and what was told last.
Environment=TRADEBOT_APP__STATE_DIR=%S/tradebot PYTHONUNBUFFERED=1
EnvironmentFile=-/etc/tradebot/env
{credentials}
TimeoutStartSec=90
{user}
StateDirectory=tradebot
StateDirectoryMode=0700
UMask=0077
WorkingDirectory={folder}

{sandbox}"""

TIMER_TEMPLATE = """\
[Unit]
Description=tradebot watch over {unit}, every {minutes} minutes

[Timer]
OnCalendar=*:0/{minutes}
AccuracySec=10s

[Install]
WantedBy=timers.target
"""


def render_watch_service(
    *,
    unit: str,
    executable: Sequence[str],
    config: Path | None,
    user: str | None,
    credentials: Path | None,
    keys: Sequence[str],
    folder: Path | None = None,
) -> str:
    """Return the text of the service that looks once at the daemon of `unit`, such as `tradebot.service`.

    It runs as the daemon's user, because only that one may open its socket: `user`, or where systemd makes one for the
    daemon, the one of the same name. Raises ConfigError for text that a unit cannot hold.
    """
    command = [*executable, "notify", "watch", *(["--config", str(config)] if config else [])]
    made = unit.removesuffix(".service")
    check_user(made if user is None else user)
    return SERVICE_TEMPLATE.format(
        unit=unit,
        command=" ".join(map(quote_argument, command)),
        credentials=credential_lines(credentials, keys),
        user=f"User={user}" if user else f"DynamicUser=yes\nUser={made}",
        folder=unit_path(folder) if folder else "%S/tradebot",
        sandbox=render_sandbox(at_home=is_at_home(*executable, config or "", folder or "")),
    )


def render_watch_timer(unit: str) -> str:
    """Return the text of the timer that starts the watch over `unit`."""
    return TIMER_TEMPLATE.format(unit=unit, minutes=LOOK_EVERY_MIN)
