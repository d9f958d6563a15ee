"""Finds the line and column of each key in config.toml, for error messages; tomllib reads the values."""

from __future__ import annotations

import re

KeyPath = tuple[str | int, ...]  # ("risk", "max_order_notional") or ("strategy", 0, "name")

_PART = r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*"""
_KEYS = rf"{_PART}(?:\.{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)({_KEYS})\]")
_ENTRY = re.compile(rf"(\s*)({_KEYS})=")
# Tokens that change the nesting depth of a value, or may hide such a character: strings first, longest first.
_TOKEN = re.compile(r'"""|\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#.*|[\[\]{}]')


def locate_keys(text: str) -> dict[KeyPath, tuple[int, int]]:
    """Return path -> (line, column), both from 1, of every key and table header; members of inline tables have none."""
    found: dict[KeyPath, tuple[int, int]] = {}
    counts: dict[KeyPath, int] = {}  # array of tables -> index of its last table
    table: KeyPath = ()
    closing, depth = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if closing or depth:
            closing, depth = _scan(line, closing, depth)
        elif header := _HEADER.match(line):
            table = _under(_parts(header[2]), counts, is_array=header[1] == "[[")
            found.setdefault(table, (number, header.start(2) + 1))
        elif entry := _ENTRY.match(line):
            path = table + _parts(entry[2])
            found[path] = (number, entry.start(2) + len(entry[2]) - len(entry[2].lstrip()) + 1)
            closing, depth = _scan(line[entry.end() :], "", 0)
    return found


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(next(p for p in groups if p or groups == ("", "", "")) for groups in re.findall(_PART, dotted))


def _under(parts: tuple[str, ...], counts: dict[KeyPath, int], *, is_array: bool) -> KeyPath:
    path: KeyPath = ()
    for i, part in enumerate(parts):
        path += (part,)
        if is_array and i == len(parts) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path += (counts[path],)
    return path


def _scan(line: str, closing: str, depth: int) -> tuple[str, int]:
    at = 0
    while at <= len(line):
        if closing:
            end = line.find(closing, at)
            if end < 0:
                return closing, depth
            closing, at = "", end + 3
            continue
        token = _TOKEN.search(line, at)
        if token is None or token[0].startswith("#"):
            break
        if token[0] in ('"""', "'''"):
            closing = token[0]
        depth += (token[0] in "[{") - (token[0] in "]}")
        at = token.end()
    return closing, depth
