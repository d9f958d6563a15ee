"""The catalogue of all events, for the operator's list and page. A test ensures that no other events are emitted."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import isclass
from types import ModuleType
from typing import Any

from tradebot.ops.events import (
    analysis,
    desk,
    login,
    market,
    notify,
    orders,
    paper,
    process,
    rehearsal,
    run,
    storage,
    venue,
)
from tradebot.ops.events.event import CRITICAL, ERROR, Event, field_meanings, meaning_of

SECTION_TITLES = {
    run: "The run",
    process: "The process",
    orders: "Orders",
    desk: "The desk",
    market: "Market data",
    venue: "The account at the venue",
    login: "The login at the venue",
    analysis: "Strategies",
    storage: "Disk and tables",
    notify: "Alerts and chat",
    paper: "Paper and shadow",
    rehearsal: "Rehearsals and simulated days",
}


def declared_events(module: ModuleType) -> Iterator[type[Event]]:
    """Yield the events declared in a module, in its order."""
    for thing in vars(module).values():
        if (
            isclass(thing)
            and issubclass(thing, Event)
            and "level" in vars(thing)
            and thing.__module__ == module.__name__
        ):
            yield thing


EVENTS: dict[str, type[Event]] = {event.name: event for module in SECTION_TITLES for event in declared_events(module)}


def event_as_json(event: type[Event]) -> dict[str, Any]:
    """Return the description of an event as JSON values."""
    return {
        "name": event.name,
        "level": event.level,
        "means": meaning_of(event),
        "do": event.do,
        "fields": field_meanings(event),
        "was": event.was,
    }


def render_urgent() -> str:
    """Return the events of level error and critical as a table in Markdown, for the handbook."""
    rows = ["| event | level | means | do |", "| --- | --- | --- | --- |"]
    for level in (CRITICAL, ERROR):
        rows += [
            f"| `{event.name}` | {event.level} | {_cell(meaning_of(event))} | {_cell(event.do)} |"
            for event in sorted(EVENTS.values(), key=lambda event: event.name)
            if event.level == level
        ]
    return "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def render_page() -> str:
    """Return the page of all events as Markdown."""
    lines = [PAGE_HEAD.strip(), ""]
    for module, title in SECTION_TITLES.items():
        lines += [f"## {title}", "", (module.__doc__ or "").strip(), ""]
        for event in declared_events(module):
            was = f", before: `{event.was}`" if event.was else ""
            lines += [f"### {event.name}", "", f"*{event.level}{was}.* {meaning_of(event)}", ""]
            lines += [f"**Do:** {event.do}", ""]
            lines += [f"- `{name}`: {text}" for name, text in field_meanings(event).items()]
            lines += [""] if event.__struct_fields__ else []
    return "\n".join(lines).rstrip() + "\n"


PAGE_HEAD = """
# Events of the log

One line of the log is one event: `event` is its name, `level` how bad it is, and the fields below it. Every line has
`timestamp`, `run_id` and `mode` too. A field that does not apply is left out. This page is made from the declarations
in `tradebot/ops/events/` by `tradebot events --page`; `tradebot events feed_lost` shows one.

    tradebot run --symbols NIFTY50 | jq -c 'select(.level == "error" or .level == "critical")'

| level | means |
| --- | --- |
| debug | what happens all the time; off by default (`log.level`) |
| info | the course of a day |
| warning | something is not as it should be, and the daemon copes |
| error | something is less than it should be until a person or the venue acts |
| critical | orders do not leave, or the daemon ends |
"""
