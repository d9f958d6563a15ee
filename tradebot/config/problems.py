"""Describes what is wrong with a configuration: each problem with its place, the line, a caret and a suggestion."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

from tradebot.config import key_location
from tradebot.config.sections import Config
from tradebot.printable import make_printable
from tradebot.venues import registry

Path = key_location.KeyPath
HIDDEN_VALUE = "..."


class ConfigText:
    """The text of a configuration file, with the place of each key."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.lines, self._places = make_printable(name), text.splitlines(), key_location.locate_keys(text)

    def line_of_key(self, path: Path) -> int | None:
        """Return the line number of a key, or of the nearest table around it; None without one."""
        place = self._place(path)
        return place[0] if place else None

    def point_at_key(self, path: Path, message: str) -> str:
        """Return `file:line:column: message`, the source line and a caret."""
        place = self._place(path)
        if place is None:
            return f"{self.name}: {make_printable(message)}"
        return self.point_at_place(*place, message, show=_is_harmless(path))

    def point_at_place(self, line: int, column: int, message: str, *, show: bool) -> str:
        """Return what `point_at_key` does, for a known place; `show` is False if the line may hold a secret."""
        head = f"{self.name}:{line}:{column}: {make_printable(message)}"
        if not 1 <= line <= len(self.lines):
            return head
        text = self.lines[line - 1] if show else _without_value(self.lines[line - 1])
        if text is None:
            return head
        source = make_printable(text[:200])
        if column > len(source):
            return f"{head}\n    {source}"
        word = re.match(r"[\w.-]+", source[column - 1 :])
        return f"{head}\n    {source}\n    {' ' * (column - 1)}{'^' * len(word[0] if word else '^')}"

    def _place(self, path: Path) -> tuple[int, int] | None:
        return next((self._places[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self._places), None)


def secret_settings() -> list[tuple[str, str]]:
    """Return (section, key) of every setting whose value is secret."""
    found = []
    for name in Config.model_fields:
        model = fields_at((name,))
        found += [(name, key) for key, field in model.items() if field.annotation is SecretStr]
    return found


def venue_secrets(config: Config) -> list[str]:
    """Return the secrets that `config` holds for any venue, so that the log can redact them."""
    venues = [(section, key) for section, key in secret_settings() if registry.find_adapter(section) is not None]
    found = [getattr(getattr(config, section), key).get_secret_value() for section, key in venues]
    return [text for text in found if text]


def _is_harmless(path: Path) -> bool:
    # A known setting, or one with a similar name, in a section without secrets. Others may be misplaced secrets.
    known, word = fields_at(path[:-1]), str(path[-1])
    is_like_secret = bool(suggest_name(word, (key for _, key in secret_settings())))
    has_secrets = path[0] in {section for section, _ in secret_settings()}
    return not has_secrets and not is_like_secret and (word in known or bool(suggest_name(word, known)))


def _without_value(line: str) -> str | None:
    # What may be shown of a line that may hold a secret: a header, or the key alone. None for any other line.
    if re.fullmatch(r"\s*\[+[\w.\s-]{1,80}\]+\s*", line):
        return line
    key = re.match(r"\s*[\w.-]{1,60}\s*=", line)
    return f"{key[0]} {HIDDEN_VALUE}" if key else None


def validation_problems(error: ValidationError) -> list[tuple[Path, str]]:
    """Return every problem of a refused configuration as (path of the key, sentence)."""
    found: dict[Path, str] = {}
    for detail in error.errors(include_url=False, include_context=True, include_input=False):
        path = _own_path(detail["loc"])
        found.setdefault(path, _sentence(path, detail["type"], detail["msg"], detail.get("ctx", {})))
    return list(found.items())


def dotted_key(path: Iterable[str | int]) -> str:
    """Return `("strategy", 0, "name")` as `strategy[0].name`."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")


def suggest_name(word: str, known: Iterable[str]) -> str:
    """Return `, did you mean x?` if a known word is similar, else an empty string."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f", did you mean {near[0]}?" if near else ""


def fields_at(path: Path) -> Mapping[str, Any]:
    """Return the fields of the section at `path`, empty if there is no such section."""
    model: Any = Config
    for part in path:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part) if model is not None else None
        model = _model_of(field.annotation) if field is not None else None
    return model.model_fields if model is not None else {}


def _model_of(annotation: Any) -> type[BaseModel] | None:
    options = (annotation, *typing.get_args(annotation))
    return next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)


def _own_path(loc: tuple[int | str, ...]) -> Path:
    # pydantic appends the union member that it tried to the path; the file has no such key.
    keep: Path = ()
    for part in loc:
        parent = fields_at(keep)
        if isinstance(part, str) and keep and not parent and keep[-1] != "params" and isinstance(keep[-1], str):
            break
        keep += (part,)
    return keep


def _sentence(path: Path, kind: str, message: str, context: Mapping[str, Any]) -> str:
    last = str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        what = "section" if len(path) == 1 else "key"
        return f"unknown {what}{suggest_name(last, fields_at(path[:-1]))}"
    if kind == "missing":
        return "is missing"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"should be a table, [{dotted_key(path)}]"
    if kind == "literal_error":
        return f"should be {context['expected']}"
    if kind in ("less_than_equal", "less_than"):
        return f"should be {'at most' if 'le' in context else 'less than'} {_bound(context)}"
    if kind in ("greater_than_equal", "greater_than"):
        return f"should be {'at least' if 'ge' in context else 'more than'} {_bound(context)}"
    text = message.removeprefix("Value error, ").replace("Input should", "should")
    return text[:1].lower() + text[1:]


def _bound(context: Mapping[str, Any]) -> str:
    value = next(context[name] for name in ("le", "lt", "ge", "gt") if name in context)
    return re.sub(r"^Decimal\('(.*)'\)$", r"\1", str(value))
