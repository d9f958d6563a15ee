"""The systemd unit of the daemon, with the command, settings and symbols of this machine."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from tradebot.errors import ConfigError

SYSTEM_UNIT_FILE = Path("/etc/systemd/system/tradebot.service")

SANDBOX_TEMPLATE = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome={protect_home}
PrivateTmp=yes
PrivateDevices=yes
PrivateUsers=yes
PrivateMounts=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
ProtectProc=invisible
ProcSubset=pid
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
# Drop this line for strategies that compile code at run time.
MemoryDenyWriteExecute=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources @obsolete @mount @debug @cpu-emulation @raw-io @reboot @swap @module
# Workers lower their own priority.
SystemCallFilter=setpriority
SystemCallErrorNumber=EPERM
"""

UNIT_TEMPLATE = """\
[Unit]
Description=tradebot algorithmic trading daemon
Wants=network-online.target
After=network-online.target time-sync.target
# Crashes count here, and no venue that is away: the daemon waits for that by itself (venue.wait_at_start_s).
# After three crashes in this time it starts halted (risk.max_crashes); what goes on crashing is given up.
StartLimitIntervalSec=600
StartLimitBurst=5
# Tells a person that the unit is down: a unit of yours that sends the mail or message.
# OnFailure=tradebot-down@%n.service

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
# %S is /var/lib: the journal survives restarts and updates, and only this unit may read it.
Environment=TRADEBOT_APP__STATE_DIR=%S/tradebot PYTHONUNBUFFERED=1
EnvironmentFile=-/etc/tradebot/env
{credentials}
WatchdogSec=30
TimeoutStartSec=120
# Long enough to cancel resting orders, read the books once more and sync the journal.
TimeoutStopSec=60
# The daemon stops its workers itself; a SIGTERM to them as well would break a computation in flight.
KillMode=mixed
Restart={restart}
RestartSec=5
# Usage, bad data files, refused credentials and configuration do not mend by trying again.
RestartPreventExitStatus=2 65 77 78
# A worker that runs out of memory is replaced by the daemon; it must not take the daemon down.
OOMPolicy=continue
OOMScoreAdjust=-500
MemoryHigh=80%
MemoryMax=90%
TasksMax=256
LimitCORE=0
LimitNOFILE=8192

{user}
StateDirectory=tradebot
StateDirectoryMode=0700
RuntimeDirectory=tradebot
RuntimeDirectoryMode=0700
UMask=0077
WorkingDirectory={folder}
ReadWritePaths=%S/tradebot

{sandbox}LogRateLimitIntervalSec=0

[Install]
WantedBy=multi-user.target
"""


def render_unit(
    *,
    executable: Sequence[str],
    config: Path | None,
    symbols: str | None,
    user: str | None,
    credentials: Path | None,
    keys: Sequence[str],
    is_live: bool = False,
    reads: Sequence[Path] = (),
    folder: Path | None = None,
    begins_again: bool = False,
) -> str:
    """Return the text of the unit. Raises ConfigError for text that a unit cannot hold.

    systemd hands over the files `keys` of the folder `credentials`; None means no secrets. `user` None makes a user
    that exists only while the daemon runs. `reads` are the files named in the configuration. `folder` is the base of
    its relative names, None for the state directory. With `begins_again` the daemon starts again after a clean end, for
    runs of simulated days.
    """
    command = [*executable, "run"]
    command += ["--config", str(config)] if config else []
    command += ["--symbols", symbols] if symbols else []
    command += ["--yes"] if is_live else []  # no person is there to confirm
    check_user(user)
    # Files installed or configured below /home must be readable there, but not writable.
    at_home = is_at_home(*executable, config or "", folder or "", *reads)
    return UNIT_TEMPLATE.format(
        command=" ".join(map(quote_argument, command)),
        credentials=credential_lines(credentials, keys),
        user=f"User={user}" if user else "DynamicUser=yes",
        restart="always" if begins_again else "on-failure",
        sandbox=render_sandbox(at_home=at_home),
        folder=unit_path(folder) if folder else "%S/tradebot",
    )


def credential_lines(credentials: Path | None, keys: Sequence[str]) -> str:
    """Return the lines that hand over the files `keys` of a folder, without those an example that is a comment.

    Raises ConfigError for a path that a unit cannot hold.
    """
    if credentials and keys:
        return "\n".join(f"LoadCredential={name}:{unit_path(credentials / name)}" for name in keys)
    name = keys[0] if keys else "notify__urls"
    return f"# LoadCredential={name}:/etc/tradebot/credentials/{name}"


def unit_path(path: Path) -> str:
    """Return a path as written for LoadCredential= and WorkingDirectory=: the rest of the line, without quoting.

    Raises ConfigError for a path that cannot be written so.
    """
    text = str(path)
    if not path.is_absolute() or not text.isprintable() or text != text.strip() or text.endswith("\\"):
        raise ConfigError(f"{text!r} cannot stand in a unit file as a path")
    return text.replace("%", "%%")


def quote_argument(word: str) -> str:
    """Return `word` quoted as one argument of a unit line. Raises ConfigError when it holds control characters."""
    if not word.isprintable():
        raise ConfigError(f"{word!r} cannot stand in a unit file")
    escaped = word.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$")
    return escaped if shlex.quote(word) == word and word else '"' + escaped.replace('"', '\\"') + '"'


def render_sandbox(*, at_home: bool) -> str:
    """Return the lines that take away what a unit of ours does not need; `at_home` keeps homes readable."""
    return SANDBOX_TEMPLATE.format(protect_home="read-only" if at_home else "yes")


def check_user(user: str | None) -> None:
    """Raise ConfigError for text that is no user name."""
    if user is not None and not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", user):
        raise ConfigError(f"{user!r} is not a user name")


def is_at_home(*paths: str | Path) -> bool:
    """Return whether one of the paths lies below a home."""
    return any(Path(path).parts[:2] in (("/", "home"), ("/", "root")) for path in paths)
