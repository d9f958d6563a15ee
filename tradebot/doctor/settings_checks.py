"""Checks of the settings: what a run would refuse, the calendar's end, who may read the keys, how many workers."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from tradebot.config import Config
from tradebot.daemon.login.saved_login import login_path, read_login
from tradebot.daemon.permission_checks import find_exposed_files
from tradebot.daemon.start_checks import (
    WARN_DAYS,
    calendar_days_left,
    load_strategies,
    settings_warnings,
    start_problems,
    traded_market,
)
from tradebot.doctor.finding import Finding, green, red, yellow
from tradebot.errors import StateError, TradebotError
from tradebot.trading.analysis.worker_count import choose_worker_count
from tradebot.venues import registry

CREDENTIALS = "CREDENTIALS_DIRECTORY"  # of the environment, as systemd sets it


def check_settings(config: Config, *, origin: str, now: int) -> Iterator[Finding]:
    """Say what `run` would refuse of these settings at `now` (wall ns), and what it would warn of."""
    exposed = find_exposed_files(config, credentials=os.environ.get(CREDENTIALS, ""))
    try:
        problems = [one for one in start_problems(config, now=now) if one not in exposed]
    except TradebotError as error:
        yield red("settings", str(error), f"mend it; `tradebot config check` says the same of {origin}")
        return
    for key, sentence in problems:
        name = ".".join(map(str, key))
        yield red("settings", f"{name} {sentence}", f"change {name} in {origin}")
    warnings = settings_warnings(config)
    for text in warnings:
        yield yellow("settings", text, "decide whether this is meant")
    if not problems and not warnings:
        yield green("settings", f"{origin}: as `run` wants them; mode {config.mode_label}")


def check_calendar(config: Config, *, now: int) -> Iterator[Finding]:
    """Look at how long the trading calendar lasts after `now` (wall ns)."""
    yield judge_calendar(calendar_days_left(config, now=now), str(traded_market(config).calendar.covered_through))


def judge_calendar(days_left: int, ends: str) -> Finding:
    """Judge the number of days that the calendar lasts; a negative one is past its end."""
    remedy = "update tradebot, or add the closures to markets/data/nse_sessions.toml"
    if days_left < 0:
        return red("calendar", f"ended on {ends}: no real money is traded", remedy)
    if days_left <= WARN_DAYS:
        return yellow("calendar", f"ends on {ends}, in {days_left} days; no real money is traded after it", remedy)
    return green("calendar", f"covers the days up to {ends}")


def check_file_modes(config: Config, *, unit_credentials: tuple[Path, ...]) -> Iterator[Finding]:
    """Look at who may read or change keys, state and strategies; `unit_credentials` are the unit's credential files."""
    found = [
        red("file modes", sentence, sentence.rpartition("; run ")[2] if "; run " in sentence else "correct its owner")
        for _, sentence in find_exposed_files(config, credentials=os.environ.get(CREDENTIALS, ""))
    ]
    found += [finding for path in unit_credentials if (finding := _credential_file(path)) is not None]
    for adapter in registry.all_adapters():
        try:
            read_login(login_path(config.app.state_dir, adapter.name))
        except StateError as error:
            found.append(red("file modes", str(error), f"remove it, then: tradebot login {adapter.name}"))
    yield from found or [green("file modes", "keys, state and strategies can be changed by their owner alone")]


def _credential_file(path: Path) -> Finding | None:
    try:
        mode = path.stat().st_mode
    except PermissionError:
        return None  # it is in a folder that this user may not enter: as it should be
    except OSError as error:
        return red("file modes", f"the unit wants {path}: {(error.strerror or str(error)).lower()}", f"write {path}")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return red("file modes", f"the unit's key {path} can be read or changed by others", f"chmod 600 {path}")
    return None


def check_workers(config: Config, *, cores: int) -> Iterator[Finding]:
    """Say how many workers the strategies need by the costs that were measured, and how many are set."""
    chosen, reason = choose_worker_count(load_strategies(config), len(config.app.symbols), cores)
    yield judge_workers(config.analysis.workers, chosen, reason)


def judge_workers(setting: int | str, chosen: int, reason: str) -> Finding:
    """Judge `analysis.workers` by the number that "auto" would choose for that `reason`."""
    what = f"analysis.workers = {setting}; auto would choose {chosen}: {reason}"
    if setting == 0:
        return yellow(
            "workers", f"{what}; with 0 a strategy that hangs stops the whole run", 'set analysis.workers = "auto"'
        )
    if setting != "auto" and int(setting) < chosen:
        return yellow("workers", what, f'set analysis.workers = {chosen}, or "auto"')
    return green("workers", what)
