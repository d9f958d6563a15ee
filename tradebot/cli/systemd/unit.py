"""The verb `service`: prints or installs the systemd unit that runs the daemon."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from tradebot.cli.shared.options import combine_options
from tradebot.cli.systemd.unit_paths import UnitSettings, resolve_unit_settings, unit_cautions
from tradebot.errors import StateError
from tradebot.ops import systemd_unit
from tradebot.printing import confirm_or_abort, print_error_line, print_line, print_text


@click.group()
def service() -> None:
    """Print or install the systemd unit."""


_unit_options = combine_options(
    click.option("-c", "--config", "config", type=click.Path(path_type=Path), help="Configuration file."),
    click.option("--symbols", help="What to trade.  [default: as the configuration says]"),
    click.option("--user", help="Run as this user.  [default: one that exists only while it runs]"),
    click.option("--credentials", type=click.Path(path_type=Path), help="Folder with a file for each key."),
)


@service.command("print")
@_unit_options
def print_(config: Path | None, symbols: str | None, user: str | None, credentials: Path | None) -> None:
    """Print the unit to standard output."""
    print_text(_unit(config, symbols, user, credentials))


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
    config: Path | None, symbols: str | None, user: str | None, credentials: Path | None, path: Path, yes: bool
) -> None:
    """Write the unit file and say what to do next."""
    text = _unit(config, symbols, user, credentials)
    if path.exists() and not yes and path.read_text(encoding="utf-8", errors="replace") != text:
        if not sys.stdin.isatty():
            raise click.UsageError(f"{path} exists and differs; give --yes to replace it")
        confirm_or_abort(f"{path} exists and differs; replace it?")
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(0o644)
        os.replace(fresh, path)
    except OSError as error:
        raise StateError(f"{path}: cannot be written: {(error.strerror or str(error)).lower()}") from error
    print_line(f"{path} written; next: systemctl daemon-reload && systemctl enable --now {path.name}")


def _unit(config: Path | None, symbols: str | None, user: str | None, credentials: Path | None) -> str:
    asked, executable = resolve_unit_settings(config, symbols, credentials), _executable()
    for caution in unit_cautions(asked, executable, user):
        print_error_line(f"tradebot: {caution}")
    return _rendered(asked, executable, user)


def unit_text(config: Path | None, *, symbols: str | None, user: str | None, credentials: Path | None) -> str:
    """Return what `service print` prints with these options, without its cautions. Raises ConfigError."""
    return _rendered(resolve_unit_settings(config, symbols, credentials), _executable(), user)


def _rendered(asked: UnitSettings, executable: Sequence[str], user: str | None) -> str:
    return systemd_unit.render_unit(
        executable=executable,
        config=asked.config,
        symbols=asked.symbols,
        user=user,
        credentials=asked.credentials,
        is_live=asked.is_live,
        reads=asked.read_paths,
        folder=asked.folder,
        begins_again=asked.begins_next_day,
        keys=asked.key_files,
    )


def _executable() -> list[str]:
    beside = Path(sys.executable).with_name("tradebot")
    if beside.is_file():
        return [str(beside)]
    installed = shutil.which("tradebot")
    return [installed] if installed else [sys.executable, "-m", "tradebot"]
