"""The verb `events`: explains the log's events from their declarations, or follows those of the running daemon."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from tradebot.cli.control.daemon import daemon_options
from tradebot.cli.shared.state_dir import state_dir_of
from tradebot.cli.shared.tables import print_rows
from tradebot.errors import DaemonUnavailable
from tradebot.ops.events.catalogue import EVENTS, event_as_json, render_page, render_urgent
from tradebot.printing import print_error_line, print_json, print_line, print_text

LINE_HEAD = ("timestamp", "level", "event", "logger", "run_id", "mode")


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with fields.")
@click.option("--page", "as_page", is_flag=True, help="Print the page of all events, in Markdown.")
@click.option("--urgent", "is_urgent", is_flag=True, help="Print those that want a person, as a table in Markdown.")
@click.option("--follow", is_flag=True, help="Print the events of the running daemon as they come.")
@click.option("--since", metavar="ID", help="With --follow: begin after the event with this id; 0 for all it has.")
@daemon_options
def events(
    name: str | None,
    as_json: bool,
    as_page: bool,
    is_urgent: bool,
    follow: bool,
    since: str | None,
    path: str | None,
    state_dir: Path | None,
) -> None:
    """Explain the events of the log: the one named NAME, now or before, in full, or a list of those that hold it.

    With --follow print the events of the running daemon instead, those named NAME or all, until it ends: exit 69 then.
    """
    if follow:
        _follow(state_dir_of(state_dir, path), name, "start-0" if since == "0" else since or "", as_json=as_json)
    if since is not None:
        raise click.UsageError("--since goes with --follow")
    if is_urgent:
        print_text(render_urgent())
        return
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


def _follow(folder: Path, name: str | None, after: str, *, as_json: bool) -> NoReturn:
    from tradebot.control.event_client import follow_events

    last = ""
    for event in follow_events(folder, after=after):
        line, last = event.line, event.id
        if name not in (None, line["event"]) and line["event"] != "missed":
            continue
        if as_json:
            print_json(line | {"id": event.id})
        elif line["event"] == "missed":
            print_error_line(f"{line['count']} events are missed: they came faster than they were read, or long ago")
        else:
            rest = " ".join(f"{key}={value}" for key, value in line.items() if key not in LINE_HEAD)
            print_line(f"{line['timestamp']} {line['level']:8} {line['event']:24} {rest}".rstrip())
        sys.stdout.flush()
    after = f"; `tradebot events --follow --since {last}` goes on from here" if last else ""
    raise DaemonUnavailable(f"the daemon ended the stream{after}")


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
