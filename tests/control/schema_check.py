"""Holds a JSON value to a JSON Schema, of which it knows what our document uses; says where the two differ.

Stricter than the standard: a field that an object's schema does not declare is a difference too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "number": (int, float),
    "boolean": (bool,), "null": (type(None),),
}  # fmt: skip
KNOWN = {
    "$ref", "anyOf", "type", "properties", "required", "additionalProperties", "items", "title", "description",
    "format", "default",
}  # fmt: skip


def differences(value: Any, schema: dict[str, Any], document: dict[str, Any], place: str = "$") -> Iterator[str]:
    """Yield each difference of a value from its schema, with its place."""
    if unknown := schema.keys() - KNOWN:
        yield f"{place}: the check does not know {sorted(unknown)}"
    if "$ref" in schema:
        found: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        yield from differences(value, found, document, place)
        return
    if "anyOf" in schema:
        tried = [list(differences(value, one, document, place)) for one in schema["anyOf"]]
        if all(tried):
            yield from min(tried, key=len)
        return
    kind = schema.get("type")
    if kind is None:
        return
    if not isinstance(value, KINDS[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{place}: {value!r} is no {kind}"
        return
    if kind == "array":
        for i, one in enumerate(value):
            yield from differences(one, schema.get("items", {}), document, f"{place}[{i}]")
    if kind == "object":
        yield from _object_differences(value, schema, document, place)


def _object_differences(
    value: dict[str, Any], schema: dict[str, Any], document: dict[str, Any], place: str
) -> Iterator[str]:
    declared, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name in schema.get("required", []):
        if name not in value:
            yield f"{place}: {name} is missing"
    for name, one in value.items():
        if name in declared:
            yield from differences(one, declared[name], document, f"{place}.{name}")
        elif isinstance(others, dict):
            yield from differences(one, others, document, f"{place}.{name}")
        elif declared and not others:
            yield f"{place}: {name} is not declared"
