"""Resolves what a systemd unit must name to run as this shell would: absolute paths, and files its sandbox may read."""

from __future__ import annotations

import os
import pwd
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tradebot.config import Config, load_config
from tradebot.config.problems import secret_settings
from tradebot.config.sections import EMBEDDED
from tradebot.config.sources import find_config_file
from tradebot.markets.symbols import parse_symbols
from tradebot.strategies.loading import strategy_file
from tradebot.venues import registry

SYSTEM_CREDENTIALS = Path("/etc/tradebot/credentials")
HIDDEN_FOLDERS = (Path("/tmp"), Path("/var/tmp"))  # PrivateTmp=yes gives the daemon empty ones of its own
MAX_RESTART_SPEED = 120.0  # a day takes three minutes at this speed, so restarts stay below the unit's start limit
ALERT_KEYS = ("notify__urls", "notify__heartbeat_url", "telegram__token")  # secrets of alerts, each with a file
LATER_KEY = "comes with the unit"  # stands for a key that this shell does not have and systemd will provide


class UnitSettings(NamedTuple):
    """What the unit runs and needs."""

    config: Path | None
    symbols: str | None
    credentials: Path | None  # the folder of the credential files
    read_paths: tuple[Path, ...]  # files that it needs
    folder: Path | None  # relative paths of the configuration begin here; None without such paths
    is_live: bool
    account: str
    key_files: tuple[str, ...]  # names of the credential files
    begins_next_day: bool  # a run is one day of the embedded exchange, and the next start begins the next day
    alert_keys: tuple[str, ...]  # names of the credential files of alerts that are there
    alert_folder: Path  # and their folder
    end_reason: str  # why the unit stays down after its first run, "" when it does not


def resolve_unit_settings(config: Path | None, symbols: str | None, credentials: Path | None) -> UnitSettings:
    """Return what a unit must name to run as this shell would. Raises ConfigError for a run that is refused."""
    here, found = Path.cwd(), find_config_file(config)
    if symbols is not None:
        parse_symbols(symbols, cwd=here)
    app = _table(found, "app")
    later = later_keys(found)
    settings = load_config(found, {"app.symbols": symbols} | later)
    adapter = registry.find_adapter(settings.venue.name)
    if adapter is not None and any(key.startswith(f"{adapter.name}.") for key in later) and credentials is None:
        credentials = SYSTEM_CREDENTIALS
    speaks = adapter or registry.default_adapter()
    venue = settings.venue_section(speaks)
    named = [path for section in settings.strategy if (path := strategy_file(section.name)) is not None]
    named += [Path(text) for text in (settings.exchange.path, venue.ca_bundle) if text]
    if symbols is None:
        named += _lists(app.get("symbols", ""))
    ends = _ends(settings)
    alert_folder = (credentials or SYSTEM_CREDENTIALS).resolve()
    return UnitSettings(
        config=found.resolve() if found else None,
        symbols=None if symbols is None else ",".join(_whole(part.strip(), here) for part in symbols.split(",")),
        credentials=credentials.resolve() if credentials else None,
        read_paths=tuple((here / path.expanduser()).resolve() for path in (*named, *_lists(symbols))),
        folder=here if any(not path.expanduser().is_absolute() for path in named) else None,
        is_live=settings.app.mode == "live",
        account=speaks.live_account_id(venue),
        key_files=tuple(f"{speaks.name}__{key}" for key in speaks.kept_secret_names),
        begins_next_day=settings.venue.name == EMBEDDED and not ends,
        alert_keys=tuple(name for name in ALERT_KEYS if _is_there(alert_folder / name)),
        alert_folder=alert_folder,
        end_reason=ends,
    )


def later_keys(config: Path | None) -> dict[str, str]:
    """Return a stand-in for each key of a venue that the file lacks, as overrides: they come when the daemon starts."""
    secret = [(section, key) for section, key in secret_settings() if registry.find_adapter(section) is not None]
    return {f"{section}.{key}": LATER_KEY for section, key in secret if not _table(config, section).get(key)}


def unit_cautions(asked: UnitSettings, executable: Sequence[str], user: str | None) -> Iterator[str]:
    """Yield a sentence for each risk of the unit, and for each thing that this shell has and the unit has not."""
    if asked.is_live:
        yield f"this unit trades REAL money on account {asked.account} as soon as it starts, and asks nobody"
    if asked.end_reason:
        yield f"the unit ends with its first run and stays down: {asked.end_reason}"
    program, config = Path(executable[0]), asked.config
    for path in dict.fromkeys((program, *([config] if config else []), *asked.read_paths)):
        if any(path.is_relative_to(hidden) for hidden in HIDDEN_FOLDERS):
            yield f"{path} is hidden from the unit, which has a /tmp of its own; move it, to /etc/tradebot for instance"
        elif not path.exists():
            yield f"{path} does not exist"
        elif (shut := _shut(path, user)) is not None:
            yield f"{shut} cannot be read by {user or 'the user of the unit'}; allow it, or name another with --user"
    if asked.credentials is not None:
        missing = [name for name in asked.key_files if not (asked.credentials / name).exists()]
        if missing:
            yield f"the unit does not start before {asked.credentials} holds {' and '.join(missing)}"
    if mine := sorted(name for name in os.environ if name.startswith("TRADEBOT_") and "__" in name):
        yield (
            f"the unit does not know {', '.join(mine)} of this shell; settings belong into the configuration, keys into"
            " the folder of --credentials"
        )


def _is_there(path: Path) -> bool:
    # Path.exists raises for a folder that may not be entered.
    return os.access(path.parent, os.X_OK) and path.exists()


def _ends(settings: Config) -> str:
    app, exchange = settings.app, settings.exchange
    if app.stop_after != "never":
        return f"app.stop_after is {app.stop_after}"
    if settings.venue.name != EMBEDDED:
        return ""
    if exchange.prices == "recorded":
        return "recorded prices are of one day"
    if exchange.speed > MAX_RESTART_SPEED:
        return f"at exchange.speed {exchange.speed:g} the days follow each other faster than systemd starts a unit"
    return ""


def _table(path: Path | None, name: str) -> Mapping[str, Any]:
    # Returns the section as the file has it: `load_config` does not show that. It reports the file's errors, so none
    # are reported here.
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError, RecursionError):
        raw = {}
    return table if isinstance(table := raw.get(name), dict) else {}


def _lists(symbols: Any) -> list[Path]:
    parts = symbols.split(",") if isinstance(symbols, str) else symbols if isinstance(symbols, list) else []
    return [Path(part.strip()[1:]) for part in parts if isinstance(part, str) and part.strip().startswith("@")]


def _whole(part: str, here: Path) -> str:
    return f"@{(here / Path(part[1:]).expanduser()).resolve()}" if part.startswith("@") else part


def _shut(path: Path, user: str | None) -> Path | None:
    # Returns the first part of the path that the unit's user may not enter or read, None for none and for an unknown
    # user. A user that systemd creates at start owns nothing.
    uid, groups = -1, frozenset[int]()
    if user is not None:
        try:
            entry = pwd.getpwnam(user)
        except KeyError:
            return None
        uid, groups = entry.pw_uid, frozenset(os.getgrouplist(user, entry.pw_gid))
    whole = path.resolve()
    for place in (*reversed(whole.parents), whole):
        try:
            about = place.stat()
        except OSError:
            return place
        shift = 6 if about.st_uid == uid else 3 if about.st_gid in groups else 0
        needed = stat.S_IROTH if place == whole else stat.S_IXOTH
        if not about.st_mode >> shift & needed:
            return place
    return None
