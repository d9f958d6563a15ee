"""The configuration as text: config.toml with a comment on every key, and the JSON schema for editors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, SecretStr

from tradebot.config.sections import Config

KeyPath = tuple[str | int, ...]
Note = Callable[[KeyPath, str], str]  # (path of the key, its description) -> the comment beside it
SECRET_MASK = "********"
# pydantic keeps its own words for bounds behind a validator -> the words of JSON schema, which editors know.
SCHEMA_WORDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}

FILE_HEADER = """\
#:schema ./tradebot/tradebot.schema.json
# Every setting with its default; delete what you do not change. Later sources win: this file, credential files,
# TRADEBOT_SECTION__KEY in the environment, options. `tradebot config check` tests it, `tradebot config show --origin`
# prints what counts and where it came from.
"""


def render_toml(config: Config, *, head: str = FILE_HEADER, note: Note = lambda path, description: description) -> str:
    """Return `config` as TOML that loads to the same settings, each key with a comment; secrets are masked.

    `head` is the comment at the top; `note` makes the comment of a key from its path and description.
    """
    blocks = [head.rstrip("\n")] if head else []
    for name in Config.model_fields:
        section = getattr(config, name)
        if isinstance(section, BaseModel):
            blocks.append("\n".join(_table(section, f"[{name}]", (name,), note)))
        else:
            blocks += ["\n".join(_table(one, f"[[{name}]]", (name, i), note)) for i, one in enumerate(section)]
    return "\n\n".join(blocks) + "\n"


def plain_values(config: Config) -> dict[str, Any]:
    """Return the settings as JSON values: money as strings, secrets masked."""
    return {name: _plain(getattr(config, name)) for name in Config.model_fields}


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of config.toml, in draft 7, which TOML editors know."""
    made = Config.model_json_schema(ref_template="#/definitions/{model}")
    made["definitions"] = made.pop("$defs")
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "tradebot configuration"}
    words: dict[str, Any] = _known_words(made)
    return head | words


def schema_text() -> str:
    """Return the text of the schema file in the package."""
    return json.dumps(json_schema(), indent=2, sort_keys=True) + "\n"


def _table(section: BaseModel, header: str, path: KeyPath, note: Note) -> Iterator[str]:
    about = (type(section).__doc__ or "").strip()
    yield f"# {about}"
    yield header
    fields = type(section).model_fields
    entries = {key: f"{key} = {_toml(getattr(section, key))}" for key in fields}
    width = min(max(map(len, entries.values())), 36)
    for key, entry in entries.items():
        yield f"{entry:<{width}}  # {note((*path, key), fields[key].description or '')}"


def _toml(value: Any) -> str:
    match value:
        case SecretStr():
            return f'"{SECRET_MASK}"' if value.get_secret_value() else '""'
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case Decimal():
            return f"{value:f}"
        case Mapping():
            inside = ", ".join(f"{_key(k)} = {_toml(v)}" for k, v in value.items())
            return f"{{ {inside} }}" if inside else "{}"
        case list() | tuple():
            return f"[{', '.join(map(_toml, value))}]"
    return _quoted(str(value))


def _key(name: str) -> str:
    bare = name and all(c.isascii() and (c.isalnum() or c in "_-") for c in name)
    return name if bare else _quoted(name)


def _quoted(text: str) -> str:
    # Escape what is not printable: TOML requires it for some characters, a terminal for all.
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)


def _plain(value: Any) -> Any:
    match value:
        case SecretStr():
            return SECRET_MASK if value.get_secret_value() else ""
        case BaseModel():
            return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
        case Mapping():
            return {str(k): _plain(v) for k, v in value.items()}
        case list() | tuple():
            return [_plain(v) for v in value]
        case bool() | int() | float() | str():
            return value
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _known_words(node: Any) -> Any:
    if isinstance(node, list):
        return [_known_words(v) for v in node]
    if not isinstance(node, dict):
        return node
    # Only the keyword "title", whose value is a string, is removed; a property may have that name too.
    return {
        SCHEMA_WORDS.get(k, k): _known_words(v) for k, v in node.items() if not (k == "title" and isinstance(v, str))
    }
