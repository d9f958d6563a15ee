"""Reads PromQL as far as names go: which metrics an expression selects, and by which labels."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

STRING = r'"(?:[^"\\]|\\.)*"'
MATCHER = re.compile(rf"\s*(?P<label>\w+)\s*(?P<sign>=~|!~|!=|=)\s*(?P<value>{STRING})\s*,?")
SELECTOR = re.compile(rf"(?P<name>[a-zA-Z_:][\w:]*)\s*(?P<matchers>\{{(?:[^\"}}]|{STRING})*\}})?")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
KEYWORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}


class Selector(NamedTuple):
    """A metric that an expression selects, the text of the selector, and its labels with their values."""

    name: str
    text: str
    labels: dict[str, str]


def selectors(expression: str) -> Iterator[Selector]:
    """Yield every vector selector of an expression."""
    text = re.sub(r"\[[^\]]*\]", "", GROUPING.sub("", expression))
    place = 0
    while (found := SELECTOR.search(text, place)) is not None:
        place = found.end()
        is_number = found.start() > 0 and (text[found.start() - 1].isdigit() or text[found.start() - 1] == ".")
        is_call = text[place:].lstrip().startswith("(")
        if found["name"].lower() in KEYWORDS or is_call or is_number:
            continue
        labels = {one["label"]: json.loads(one["value"]) for one in MATCHER.finditer((found["matchers"] or "{}")[1:-1])}
        yield Selector(found["name"], found[0].strip(), labels)


def grouped_labels(expression: str) -> set[str]:
    """Return the labels that an expression groups or joins by."""
    return {label.strip() for found in GROUPING.findall(expression) for label in found.split(",") if label.strip()}


def board_expressions(board: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (title of the panel, expression) for every query of a Grafana board, with its variables filled in."""
    return [
        (panel["title"], target["expr"].replace("$instance", ".*").replace("$__rate_interval", "1m"))
        for panel in board["panels"]
        for target in panel.get("targets", [])
    ]
