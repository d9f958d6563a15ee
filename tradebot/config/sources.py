"""Builds one `Config` from file, credentials, environment and command line, and keeps the origin of each value.

Later sources win: default < file < credential files < environment < command line.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import reduce
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource, NestedSecretsSettingsSource, SettingsError

from tradebot.config import problems
from tradebot.config.cross_checks import Complaint, cross_check
from tradebot.config.problems import ConfigText, dotted_key
from tradebot.config.sections import Config, add_venue_sections
from tradebot.errors import ConfigError
from tradebot.printable import make_printable

KeyPath = tuple[str | int, ...]
KILL_PREFIX = "TRADEBOT_KILL__"  # credentials of the kill switch, which the daemon does not need and does not read
MAX_FILE_BYTES = 1 << 20  # a configuration is a page long; a longer file is the wrong one


@dataclass(frozen=True)
class LoadedConfig:
    """A configuration, its file, and the origin in words of each value that is not a default."""

    config: Config
    path: Path | None
    origins: Mapping[KeyPath, str]
    locate: Callable[[Sequence[Complaint]], list[str]] = lambda complaints: [
        f"{dotted_key(k)}: {s}" for k, s in complaints
    ]

    def raise_complaints(self, complaints: Sequence[Complaint]) -> None:
        """Raise ConfigError that lists every complaint with its place, unless there is none."""
        if complaints:
            raise ConfigError("\n".join(self.locate(complaints)), is_list=True)


@dataclass
class _MergedValues:
    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, str] = field(default_factory=dict)

    def add_source(self, values: Mapping[str, Any], origin: Any) -> None:
        """Merge a later source, which wins; `origin` makes the origin in words from the path of a key."""
        _merge(self.values, values, (), lambda path: self.origins.__setitem__(path, origin(path)))

    def key_of_value(self, value: str) -> KeyPath:
        """Return the path of a key with this value, `("a setting",)` without one."""

        def at(key: KeyPath) -> Any:
            return reduce(lambda table, part: table[part], key, cast(Any, self.values))

        return next((key for key in self.origins if at(key) == value), ("a setting",))

    def origin_of(self, path: KeyPath) -> str:
        """Return the origin of a key, or of the nearest key around or in it; "" without one."""
        above = (path[:n] for n in range(len(path), 0, -1))
        below = (key for key in self.origins if key[: len(path)] == path)
        return next((self.origins[key] for key in (*above, *below) if key in self.origins), "")


def find_config_file(path: str | os.PathLike[str] | None = None) -> Path | None:
    """Return the first of `path`, $TRADEBOT_CONFIG, ./config.toml, the user's and the system's file; None without any.

    Raises ConfigError if `path` or $TRADEBOT_CONFIG names a missing file.
    """
    for asked, by in ((path, "--config"), (os.environ.get("TRADEBOT_CONFIG"), "TRADEBOT_CONFIG")):
        if asked:
            if not Path(asked).exists():
                raise ConfigError(f"{make_printable(asked)}: there is no such file ({by} names it)")
            return Path(asked)
    user = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    for place in (Path("config.toml"), Path(user) / "tradebot/config.toml", Path("/etc/tradebot/config.toml")):
        if place.is_file():
            return place
    return None


def load_config(path: str | os.PathLike[str] | None = None, overrides: Mapping[str, Any] | None = None) -> Config:
    """Return the settings of this run; `overrides` maps `section.key` to a value, where None means not given.

    Raises ConfigError that lists every problem with its place.
    """
    return load_with_origins(path, overrides).config


def load_with_origins(
    path: str | os.PathLike[str] | None = None, overrides: Mapping[str, Any] | None = None
) -> LoadedConfig:
    """Return what `load_config` does, with the origin of each value."""
    add_venue_sections()
    gathered, found = _MergedValues(), find_config_file(path)
    excerpt = None
    complaints: list[Complaint] = []
    if found is not None:
        excerpt, values = _read(found)
        lines = excerpt
        gathered.add_source(values, lambda key: f"{lines.name}:{lines.line_of_key(key) or 1}")
        complaints += _exposed_secrets(found, values)
    gathered.add_source(_credentials(), lambda key: f"credential file {'__'.join(map(str, key))}")
    gathered.add_source(_environment(), lambda key: f"environment TRADEBOT_{'__'.join(map(str, key)).upper()}")
    gathered.add_source(_nested(overrides or {}), lambda key: "command line")
    config = None
    try:
        config = Config(**gathered.values)
        complaints += cross_check(config)
    except ValidationError as error:
        complaints += problems.validation_problems(error)
    except UnicodeEncodeError as error:  # the environment or the command line contains bytes that are not text
        complaints.append((gathered.key_of_value(error.object), "is not UTF-8 text"))
    loaded = LoadedConfig(config or Config(), found, gathered.origins, lambda some: _located(gathered, excerpt, some))
    loaded.raise_complaints(complaints)
    assert config is not None, "a refused configuration has at least one complaint"
    return loaded


def _located(gathered: _MergedValues, excerpt: ConfigText | None, complaints: Sequence[Complaint]) -> list[str]:
    blocks: list[tuple[int, str]] = []
    for path, sentence in complaints:
        origin, message = gathered.origin_of(path), f"{dotted_key(path)}: {sentence}"
        from_file = excerpt is not None and (not origin or origin.startswith(f"{excerpt.name}:"))
        if from_file and excerpt is not None:
            blocks.append((excerpt.line_of_key(path) or 0, excerpt.point_at_key(path, message)))
        else:
            blocks.append((1 << 30, make_printable(f"{origin}: {message}" if origin else message)))
    return [text for _, text in sorted(blocks, key=lambda block: block[0])]


def read_config_file(path: Path) -> bytes:
    """Return the bytes of a configuration file. Raises ConfigError if it cannot be read or is too long."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ConfigError(f"{make_printable(path)}: cannot be read: {why}") from error
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(
            f"{make_printable(path)}: is longer than {MAX_FILE_BYTES} bytes, so it is not a configuration"
        )
    return raw


def _read(path: Path) -> tuple[ConfigText, dict[str, Any]]:
    raw = read_config_file(path)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{make_printable(path)}:{line}:1: is not UTF-8 text") from error
    excerpt = ConfigText(str(path), text)
    try:
        return excerpt, tomllib.loads(text, parse_float=_exact)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax(excerpt, str(error)), is_list=True) from error
    except (RecursionError, ValueError) as error:  # nested too deep; an integer of too many digits
        raise ConfigError(make_printable(f"{path}: cannot be read: {error}")) from error


def _exact(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text} is not a number") from error


def _syntax(excerpt: ConfigText, message: str) -> str:
    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", message, re.DOTALL)
    words = match[1] if match else message
    words = words[:1].lower() + words[1:]
    if match and match[2]:
        return excerpt.point_at_place(int(match[2]), int(match[3]), words, show=False)
    last = max(len(excerpt.lines), 1)
    return excerpt.point_at_place(last, len(excerpt.lines[-1]) + 1 if excerpt.lines else 1, words, show=False)


def _exposed_secrets(path: Path, values: Mapping[str, Any]) -> list[tuple[KeyPath, str]]:
    if not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return []
    return [
        ((section, key), f"is a secret in a file that others can read; run chmod 600 {path}")
        for section, key in problems.secret_settings()
        if isinstance(table := values.get(section), dict) and table.get(key)
    ]


def _credentials() -> dict[str, Any]:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder or not Path(folder).is_dir():
        return {}
    try:
        return NestedSecretsSettingsSource(
            EnvSettingsSource(Config), secrets_dir=folder, secrets_nested_delimiter="__", env_prefix=""
        )()
    except (SettingsError, OSError) as error:
        raise ConfigError(make_printable(f"credential files in {folder}: {error}")) from error


def _environment() -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in sorted(os.environ):
        if name.upper().startswith(KILL_PREFIX):
            continue
        section, nested, key = name.upper().removeprefix("TRADEBOT_").partition("__")
        if name.upper().startswith("TRADEBOT_") and nested and section.lower() not in Config.model_fields:
            values[section.lower()] = {key.lower(): os.environ[name]}  # refused as an unknown section
    try:
        return values | EnvSettingsSource(Config)()
    except SettingsError as error:
        raise ConfigError(make_printable(f"environment: {error}")) from error


def _nested(overrides: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in overrides.items():
        if value is None:
            continue
        table = values
        *tables, key = name.split(".")
        for part in tables:
            table = table.setdefault(part, {})
        if isinstance(value, Mapping):
            table.setdefault(key, {}).update({k: v for k, v in value.items() if v is not None})
        else:
            table[key] = value
    return values


def _merge(into: dict[str, Any], values: Mapping[str, Any], path: KeyPath, note: Any) -> None:
    for key, value in values.items():
        here = (*path, key)
        if isinstance(value, Mapping) and (isinstance(into.get(key), dict) or key not in into):
            _merge(into.setdefault(key, {}), value, here, note)
        else:
            into[key] = value
            note(here)
            if isinstance(value, list):
                for i, item in enumerate(value):
                    for inner in item if isinstance(item, Mapping) else ():
                        note((*here, i, inner))
