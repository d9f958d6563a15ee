"""The verb `service`: prints or installs the systemd unit that runs the daemon."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click

from tradebot.cli.shared.options import combine_options
from tradebot.cli.systemd.unit_paths import UnitSettings, resolve_unit_settings, unit_cautions
from tradebot.errors import StateError
from tradebot.ops import systemd_unit, watch_units
from tradebot.printing import confirm_or_abort, print_error_line, print_line, print_text


@click.group()
def service() -> None:
    """Print or install the systemd unit."""


_unit_options = combine_options(
    click.option("-c", "--config", "config", type=click.Path(path_type=Path), help="Configuration file."),
    click.option("--symbols", help="What to trade.  [default: as the configuration says]"),
    click.option("--user", help="Run as this user.  [default: one that exists only while it runs]"),
    click.option("--credentials", type=click.Path(path_type=Path), help="Folder with a file for each key."),
    click.option(
        "--watch", "has_watch", is_flag=True, help="Also a timer that tells you when the daemon is silent or halted."
    ),
)


@service.command("print")
@_unit_options
def print_(
    config: Path | None, symbols: str | None, user: str | None, credentials: Path | None, has_watch: bool
) -> None:
    """Print the unit to standard output; with --watch those of the watch alone, each after a line with its name."""
    unit = systemd_unit.SYSTEM_UNIT_FILE
    units = _units(config, symbols, user, credentials, unit=unit, has_watch=has_watch)
    if not has_watch:
        print_text(units[unit])
        return
    print_text("\n".join(f"# {path.name}\n{text}" for path, text in units.items() if path != unit))


@service.command()
@_unit_options
@click.option(
    "--path",
    type=click.Path(path_type=Path),
    default=systemd_unit.SYSTEM_UNIT_FILE,
    show_default=True,
    help="Where to.",
)
@click.option("-y", "--yes", is_flag=True, help="Replace an existing unit without asking.")
def install(
    config: Path | None,
    symbols: str | None,
    user: str | None,
    credentials: Path | None,
    has_watch: bool,
    path: Path,
    yes: bool,
) -> None:
    """Write the unit file, with --watch also those of the watch beside it, and say what to do next."""
    units = _units(config, symbols, user, credentials, unit=path, has_watch=has_watch)
    for place, text in units.items():
        if place.exists() and not yes and place.read_text(encoding="utf-8", errors="replace") != text:
            if not sys.stdin.isatty():
                raise click.UsageError(f"{place} exists and differs; give --yes to replace it")
            confirm_or_abort(f"{place} exists and differs; replace it?")
    for place, text in units.items():
        _write_unit(place, text)
    enabled = " ".join(place.name for place in units if not place.name.endswith("-watch.service"))
    written = ", ".join(map(str, units))
    print_line(f"{written} written; next: systemctl daemon-reload && systemctl enable --now {enabled}")


def _write_unit(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(0o644)
        os.replace(fresh, path)
    except OSError as error:
        raise StateError(f"{path}: cannot be written: {(error.strerror or str(error)).lower()}") from error


def _units(
    config: Path | None,
    symbols: str | None,
    user: str | None,
    credentials: Path | None,
    *,
    unit: Path,
    has_watch: bool,
) -> dict[Path, str]:
    asked, executable = resolve_unit_settings(config, symbols, credentials), _executable()
    units = {unit: _daemon_unit(asked, executable, user)}
    if has_watch:
        name = unit.stem
        units[unit.with_name(f"{name}-watch.service")] = watch_units.render_watch_service(
            unit=unit.name,
            executable=executable,
            config=asked.config,
            user=user,
            credentials=asked.alert_folder,
            keys=asked.alert_keys,
            folder=asked.folder,
        )
        units[unit.with_name(f"{name}-watch.timer")] = watch_units.render_watch_timer(unit.name)
    for caution in unit_cautions(asked, executable, user):
        print_error_line(f"tradebot: {caution}")
    return units


def unit_text(config: Path | None, *, symbols: str | None, user: str | None, credentials: Path | None) -> str:
    """Return what `service print` prints with these options, without its cautions. Raises ConfigError."""
    return _daemon_unit(resolve_unit_settings(config, symbols, credentials), _executable(), user)


def _daemon_unit(asked: UnitSettings, executable: list[str], user: str | None) -> str:
    # Without keys of the broker a folder counts where it has some of alerts.
    alerts_alone = asked.credentials is None and asked.alert_keys
    credentials = asked.alert_folder if alerts_alone else asked.credentials
    keys = asked.alert_keys if alerts_alone else (*asked.key_files, *asked.alert_keys)
    return systemd_unit.render_unit(
        executable=executable,
        config=asked.config,
        symbols=asked.symbols,
        user=user,
        credentials=credentials,
        is_live=asked.is_live,
        reads=asked.read_paths,
        folder=asked.folder,
        begins_again=asked.begins_next_day,
        keys=keys,
    )


def _executable() -> list[str]:
    beside = Path(sys.executable).with_name("tradebot")
    if beside.is_file():
        return [str(beside)]
    installed = shutil.which("tradebot")
    return [installed] if installed else [sys.executable, "-m", "tradebot"]
