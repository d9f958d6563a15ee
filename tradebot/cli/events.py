"""The verb `events`: explains the log's events from their declarations: a list, one in full, or a page of all."""

from __future__ import annotations

import difflib
from typing import Any

import click

from tradebot.cli.shared.tables import print_rows
from tradebot.ops.events.catalogue import EVENTS, event_as_json, render_page
from tradebot.printing import print_json, print_text


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with fields.")
@click.option("--page", "as_page", is_flag=True, help="Print the page of all events, in Markdown.")
def events(name: str | None, as_json: bool, as_page: bool) -> None:
    """Explain the events of the log: the one named NAME, now or before, in full, or a list of those that hold it."""
    if as_page:
        print_text(render_page())
        return
    found = find_events(name or "")
    if as_json:
        print_json(found, indent=2)
    elif name is not None and all(name in (one["name"], one["was"]) for one in found):
        print_text("\n".join(map(_whole, found)))
    else:
        print_rows([{key: one[key] for key in ("name", "level", "means", "was")} for one in found], as_json=False)


def find_events(name: str) -> list[dict[str, Any]]:
    """Return the events with this name or old name, else those with it in their name. Raises UsageError for none."""
    rows = [event_as_json(event) for event in EVENTS.values()]
    found = [one for one in rows if name and name in (one["name"], one["was"])]
    found = found or [one for one in rows if name in one["name"]]
    if not found:
        near = difflib.get_close_matches(name, EVENTS, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise click.UsageError(f"No event is called '{name}'.{hint}")
    return found


def _whole(event: dict[str, Any]) -> str:
    was = f", before: {event['was']}" if event["was"] else ""
    lines = [f"{event['name']} ({event['level']}{was})", f"  {event['means']}", f"  Do: {event['do']}"]
    width = max(map(len, event["fields"]), default=0)
    return "\n".join([*lines, *(f"    {field:{width}}  {text}" for field, text in event["fields"].items()), ""])
