"""The answers of the chat, from the fields of `tradebot status`; a start has fewer of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradebot.notify.alert_text import value_text

MAX_ROWS = 20  # positions listed in one answer


def describe_status(found: Mapping[str, Any]) -> str:
    """Return the status in a few lines."""
    lines = [f"{str(found['mode']).upper()}: {found['state']}, {found['venue']}, run {found['run_id']}"]
    lines += [f"HALTED ({one['verb']} {one['scope']}): {one['reason']}" for one in found["halts"]]
    if "feed" not in found:
        login = found.get("login")
        return "\n".join([*lines, *([f"login {login['state']}: {login.get('reason', '')}"] if login else [])])
    if not found["halts"]:
        lines.append("not halted")
    feed, session = found["feed"], found["session"]
    age = "no quote yet" if feed["age_s"] is None else f"newest quote {feed['age_s']:.1f} s ago"
    lines.append(f"session {'open' if session['is_open'] else 'closed'}; {'STALE, ' if feed['is_stale'] else ''}{age}")
    lines.append(
        f"{len(found['positions'])} positions, {len(found['orders'])} working orders, "
        f"day {value_text(found['day_profit'])}"
    )
    return "\n".join(lines)


def describe_pnl(found: Mapping[str, Any]) -> str:
    """Return the figures of the day and of the run."""
    if "money" not in found:
        return f"{str(found['mode']).upper()}: {found['state']}, no figures yet"
    money = found["money"]
    lines = [str(found["mode"]).upper()]
    for title, span in (("day", "day"), ("this run", "run")):
        orders, fills, charges, net = (value_text(money[f"{span}_{name}"]) for name in FIGURES)
        lines.append(f"{title}: {net} after charges of {charges}; {orders} orders, {fills} fills")
    return "\n".join(lines)


FIGURES = ("orders", "fills", "charges", "pnl_net")


def describe_positions(found: Mapping[str, Any]) -> str:
    """Return the open positions, a line each."""
    rows = found.get("positions", [])
    lines = [f"{str(found['mode']).upper()}: {len(rows) or 'no'} open positions"]
    for row in rows[:MAX_ROWS]:
        last = "no price" if row["last"] is None else f"last {value_text(row['last'])}"
        profit = "" if row["profit"] is None else f", {value_text(row['profit'])}"
        owner = f" ({row['owner']})" if row["owner"] == "external" else ""
        lines.append(
            f"{row['symbol']} {value_text(row['quantity'])} {row['product']} at {value_text(row['average_price'])}, "
            f"{last}{profit}{owner}"
        )
    return "\n".join(lines + ([f"and {len(rows) - MAX_ROWS} more"] if len(rows) > MAX_ROWS else []))
