"""Reads what it can of a refused configuration, because an emergency must not wait until a typo is fixed.

Nothing here raises and nothing is checked. Trading uses `sources`; this is for commands that stop, ask or show.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tradebot.config.sources import find_config_file, read_config_file
from tradebot.errors import ConfigError

DEFAULT_STATE_DIR = "state"  # the default of app.state_dir
_HEADER = re.compile(r"\s*\[\s*([A-Za-z0-9_]+)\s*\]\s*(#.*)?")
_ENTRY = re.compile(r"\s*([A-Za-z0-9_]+)\s*=")


class SalvagedSettings(NamedTuple):
    """The settings that could be read, as section -> key -> value; `notes` say what could not be read."""

    values: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...]

    def setting_text(self, section: str, key: str) -> str:
        """Return a setting as text, "" if it is missing or not a string."""
        found = self.values.get(section, {}).get(key, "")
        return found.strip() if isinstance(found, str) else ""

    @property
    def state_dir(self) -> Path:
        """Return `app.state_dir`, or its default."""
        return Path(self.setting_text("app", "state_dir") or DEFAULT_STATE_DIR)


def salvage_settings(path: str | os.PathLike[str] | None = None) -> SalvagedSettings:
    """Read file, credential files and environment as far as they can be read; later sources win."""
    values: dict[str, dict[str, Any]] = {}
    notes: list[str] = []
    _file(path, values, notes)
    _credentials(values, notes)
    for name, value in os.environ.items():
        section, nested, key = name.upper().removeprefix("TRADEBOT_").partition("__")
        if name.upper().startswith("TRADEBOT_") and nested:
            values.setdefault(section.lower(), {})[key.lower()] = value
    return SalvagedSettings(values, tuple(notes))


def _file(path: str | os.PathLike[str] | None, values: dict[str, dict[str, Any]], notes: list[str]) -> None:
    try:
        found = find_config_file(path)
        if found is None:
            return
        text = read_config_file(found).decode(errors="replace")
    except ConfigError as error:
        notes.append(str(error))
        return
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError):
        notes.append(f"{found}: is no valid configuration; what can be read of it counts")
        tables = _lines(text)
    for section, table in tables.items():
        if isinstance(table, Mapping):
            values.setdefault(section, {}).update(table)


def _lines(text: str) -> dict[str, dict[str, Any]]:
    # Read each line by itself, so that an unreadable line does not hide the others.
    tables: dict[str, dict[str, Any]] = {}
    section = ""
    for line in text.splitlines():
        if header := _HEADER.fullmatch(line):
            section = header[1]
        elif entry := _ENTRY.match(line):
            try:
                value = tomllib.loads(line)[entry[1]]
            except (ValueError, RecursionError):
                continue
            tables.setdefault(section, {})[entry[1]] = value
    return tables


def _credentials(values: dict[str, dict[str, Any]], notes: list[str]) -> None:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return
    try:
        for one in sorted(Path(folder).iterdir()):
            section, nested, key = one.name.lower().partition("__")
            if nested and one.is_file():
                values.setdefault(section, {})[key] = one.read_text(errors="replace").strip()
    except OSError as error:
        notes.append(f"credential files in {folder}: {error.strerror}")
