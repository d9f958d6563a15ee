"""The verbs `config show`, `check`, `schema` and `path`: the settings in force, their origins, their problems."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from tradebot.cli.shared.options import CONFIG_OPTION
from tradebot.config import Config, LoadedConfig, document, find_config_file, load_with_origins
from tradebot.printable import make_printable
from tradebot.printing import print_error_line, print_json, print_line, print_text


@click.group()
def config() -> None:
    """Show and check the configuration.

    Later sources win: default, file, credential files, environment TRADEBOT_SECTION__KEY, options.
    """


@config.command()
@CONFIG_OPTION
@click.option("--origin", is_flag=True, help="Say beside each value where it came from.")
@click.option("--defaults", is_flag=True, help="Print the defaults, ready to be saved as config.toml.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(path: str | None, origin: bool, defaults: bool, as_json: bool) -> None:
    """Print every setting that counts; secrets are masked."""
    loaded = LoadedConfig(Config(), None, {}) if defaults else load_with_origins(path)
    if as_json:
        print_json(_with_origins(loaded) if origin else document.plain_values(loaded.config), indent=2)
    elif origin:
        print_text(document.render_toml(loaded.config, head="", note=_origin_of(loaded)))
    else:
        print_text(document.render_toml(loaded.config, head=document.FILE_HEADER if defaults else ""))


@config.command()
@CONFIG_OPTION
def check(path: str | None) -> None:
    """Read the configuration as `run` would and refuse what it refuses; exit 78 with every problem and its place."""
    from tradebot.clock import WallClock
    from tradebot.daemon.start_checks import start_problems, start_warnings

    loaded, now = load_with_origins(path), WallClock().wall_ns()
    loaded.raise_complaints(start_problems(loaded.config, now=now))
    for caution in start_warnings(loaded.config, now=now):
        print_error_line(f"caution: {caution}")
    print_line(f"{loaded.path or 'no file, the defaults'}: good; mode {loaded.config.mode_label}")


@config.command()
def schema() -> None:
    """Print the JSON schema of config.toml."""
    print_text(document.schema_text())


@config.command()
@CONFIG_OPTION
def path(path: str | None) -> None:
    """Print the file that would be read; exit 1 when there is none."""
    found = find_config_file(path)
    if found is None:
        print_error_line("no configuration file; the defaults count")
        raise SystemExit(1)
    print_line(found.resolve())


def _origin_of(loaded: LoadedConfig) -> Callable[[tuple[str | int, ...], str], str]:
    def note(key: tuple[str | int, ...], _description: str) -> str:
        above = (key[:n] for n in range(len(key), 0, -1))
        return next((make_printable(loaded.origins[k]) for k in above if k in loaded.origins), "default")

    return note


def _with_origins(loaded: LoadedConfig) -> dict[str, Any]:
    note = _origin_of(loaded)
    flat: dict[str, Any] = {}
    for section, table in document.plain_values(loaded.config).items():
        tables = (
            [((section, i), one) for i, one in enumerate(table)] if isinstance(table, list) else [((section,), table)]
        )
        for place, one in tables:
            for key, value in one.items():
                name = ".".join(map(str, (*place, key)))
                flat[name] = {"value": value, "origin": note((*place, key), "")}
    return flat
