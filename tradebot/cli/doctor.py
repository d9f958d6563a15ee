"""The verb `doctor`: looks at machine, settings, state and broker, and says in colours what is to be done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click
from rich.text import Text

from tradebot.cli.shared.options import CONFIG_OPTION, CPU_CORES, state_dir_option
from tradebot.cli.shared.tables import prints_to_stderr, standard_console
from tradebot.cli.systemd.unit import unit_text
from tradebot.cli.systemd.unit_paths import later_keys
from tradebot.clock import Clock, WallClock
from tradebot.config import Config, find_config_file, load_config
from tradebot.config.salvage import salvage_settings
from tradebot.doctor import host_checks, settings_checks, state_checks, unit_checks, venue_checks
from tradebot.doctor.examination import WITHIN_S, Check, examine, one_at_a_time
from tradebot.doctor.finding import Colour, Finding, exit_code_of, red, yellow
from tradebot.errors import ConfigError, DataError
from tradebot.ops.systemd_unit import SYSTEM_UNIT_FILE
from tradebot.printable import make_printable
from tradebot.printing import print_json

STYLES = {Colour.GREEN: "green", Colour.YELLOW: "yellow", Colour.RED: "bold red"}
KEYS_REMEDY = "to ask the broker too: CREDENTIALS_DIRECTORY=/etc/tradebot/credentials tradebot doctor"
NOT_LOOKED_AT = ("file modes", "calendar", "workers", "database", "unit", "broker")  # without settings


class _Settings(NamedTuple):
    # The settings, None where they are refused, with the findings about them; `lacks_keys` where keys come later.
    config: Config | None
    file: Path | None
    state_dir: Path
    findings: tuple[Finding, ...]
    lacks_keys: bool

    @property
    def origin(self) -> str:
        """Return where the settings come from, for a person."""
        return str(self.file) if self.file else "the defaults (no config.toml here)"


@click.command()
@CONFIG_OPTION
@state_dir_option("The daemon's state directory.")
@click.option(
    "--unit",
    "unit_path",
    type=click.Path(path_type=Path),
    default=SYSTEM_UNIT_FILE,
    show_default=True,
    help="The installed unit.",
)
@click.option("--offline", is_flag=True, help="Ask neither broker nor database server.")
@click.option(
    "--within", "within_s", type=click.FloatRange(1, 600), default=WITHIN_S, show_default=True, help="Seconds to try."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(
    path: str | None, state_dir: Path | None, unit_path: Path, offline: bool, within_s: float, as_json: bool
) -> int:
    """Look for what keeps this machine from trading well, with or without a running daemon.

    Each finding is green, yellow or red, and says what to do. Exit 0: green and yellow; 1: something is red.
    """
    clock = WallClock()
    with prints_to_stderr(as_json=as_json):
        settings = _read_settings(path, state_dir)
        found = [
            *examine(_checks(settings, unit_path, offline=offline, clock=clock), clock=clock, within_s=within_s),
            *settings.findings,
        ]
    if as_json:
        print_json([one._asdict() for one in found], indent=2)
    else:
        _show(found)
    return exit_code_of(found)


def _read_settings(path: str | None, state_dir: Path | None) -> _Settings:
    given = {"app.state_dir": state_dir}
    try:
        file = find_config_file(path)
    except ConfigError as error:
        return _refused(error, path, state_dir)
    try:
        config = load_config(file, given)
        return _Settings(config, file, config.app.state_dir, (), False)
    except (ConfigError, DataError) as error:
        first = error
    # A person's shell has not the keys that systemd hands to the daemon. All else can be looked at without them.
    try:
        config = load_config(file, given | later_keys(file))
    except (ConfigError, DataError):
        return _refused(first, path, state_dir)
    return _Settings(config, file, config.app.state_dir, (), True)


def _refused(error: ConfigError | DataError, path: str | None, state_dir: Path | None) -> _Settings:
    found = [red("settings", line.strip(), "tradebot config check shows the place") for line in _sentences(str(error))]
    found += [yellow(name, "not looked at: the settings are refused", "mend the settings") for name in NOT_LOOKED_AT]
    folder = state_dir or salvage_settings(path).state_dir
    return _Settings(None, None, folder, tuple(found), False)


def _sentences(text: str) -> Iterator[str]:
    # Of a list of problems the lines that begin one; those that show the place in the file are left out.
    lines = [line for line in text.splitlines() if line.strip()]
    yield from [line for line in lines if not line.startswith((" ", "\t"))] or lines


def _checks(settings: _Settings, unit_path: Path, *, offline: bool, clock: Clock) -> dict[str, Check]:
    checks: dict[str, Check] = {
        "python": host_checks.check_python,
        "open files": host_checks.check_open_files,
        "daemon": partial(state_checks.check_daemon, settings.state_dir),
        "journal": partial(state_checks.check_journal, settings.state_dir),
    }
    config = settings.config
    journal = (config or Config()).journal
    low_mb = max(journal.warn_free_mb, journal.min_free_mb)
    checks["disk"] = partial(host_checks.check_disk, settings.state_dir, low_mb=low_mb, short_mb=journal.min_free_mb)
    if config is None:
        return checks
    strategies, now = threading.Lock(), clock.wall_ns()
    checks["settings"] = one_at_a_time(
        strategies, partial(settings_checks.check_settings, config, origin=settings.origin, now=now)
    )
    checks["workers"] = one_at_a_time(strategies, partial(settings_checks.check_workers, config, cores=CPU_CORES))
    checks["calendar"] = partial(settings_checks.check_calendar, config, now=now)
    checks["file modes"] = partial(_check_file_modes, config, unit_path)
    checks["unit"] = partial(_check_unit, settings, unit_path)
    if offline and config.store.dsn.get_secret_value():
        checks["database"] = _said(yellow("database", "not asked (--offline)", "run it without --offline"))
    else:
        checks["database"] = partial(state_checks.check_store, config, clock=clock)
    return checks | _venue_checks(settings, config, offline=offline, clock=clock)


def _venue_checks(settings: _Settings, config: Config, *, offline: bool, clock: Clock) -> dict[str, Check]:
    place = venue_checks.find_venue(config)
    if place is None:
        return {"broker": venue_checks.check_embedded}
    if offline:
        return {
            "broker": _said(yellow("broker", "not asked (--offline)", "run it without --offline")),
            "login": partial(venue_checks.check_login_offline, place, clock=clock),
        }
    reach = partial(venue_checks.check_broker, place, clock=clock)
    if settings.lacks_keys:
        return {"broker": reach, "login": _said(yellow("login", "not asked: this shell lacks the keys", KEYS_REMEDY))}
    return {"broker": reach, "login": partial(venue_checks.check_account, place, clock=clock)}


def _said(finding: Finding) -> Check:
    return lambda: (finding,)


def _check_file_modes(config: Config, unit_path: Path) -> Iterator[Finding]:
    unit = unit_checks.read_unit(unit_path)
    yield from settings_checks.check_file_modes(config, unit_credentials=unit.credentials if unit else ())


def _check_unit(settings: _Settings, unit_path: Path) -> Iterator[Finding]:
    yield from unit_checks.check_unit(unit_checks.read_unit(unit_path), _unit_of(settings))


def _unit_of(settings: _Settings) -> Callable[[unit_checks.InstalledUnit], str]:
    def rendered(unit: unit_checks.InstalledUnit) -> str:
        credentials = unit.credentials[0].parent if unit.credentials else None
        return unit_text(settings.file, symbols=unit.symbols, user=unit.user, credentials=credentials)

    return rendered


def _show(found: Sequence[Finding]) -> None:
    console, width = standard_console(soft_wrap=True), max(len(one.check) for one in found)
    for one in found:
        line = Text(f"{one.colour:<7} ", style=STYLES[one.colour])
        line.append(f"{one.check:<{width}}  {make_printable(one.what)}", style="default")
        console.print(line)
        if one.remedy:
            console.print(Text(f"{'':7} {'':{width}}  do: {make_printable(one.remedy)}"))
