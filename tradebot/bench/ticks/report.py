"""The report of the tick path benchmark: the verdicts on its promises, and the figures as a table."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from tradebot.bench.measuring.report import print_footer, promise_verdict
from tradebot.config.sections import BarsSection

LAG_LIMIT_MS = 20.0


def tick_verdicts(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return `{"ok": ..., "text": ...}` for each promise on the tick path."""
    ticks, latency = result["ticks"], result["latency_us"]
    lag, order = latency.get("loop_lag"), latency.get("quote_to_order")
    missing = ticks["expected"] - ticks["sent"]
    merged = ticks["merged"] + ticks["merged_by_exchange"]
    found = [
        promise_verdict(missing == 0, f"{ticks['sent']:,} ticks were sent", f", {missing:,} fewer than asked for"),
        promise_verdict(
            ticks["lost"] == 0, "no tick was lost", f"{abs(ticks['lost']):,} ticks do not add up", instead=True
        ),
        promise_verdict(ticks["late"] == 0, "no tick was late", f"{ticks['late']:,} ticks were late", instead=True),
        promise_verdict(
            merged == 0, "no tick was merged", f"{merged:,} ticks were merged into newer ones", instead=True
        ),
    ]
    if lag is not None:
        text = f"loop lag p99 is {lag['p99'] / 1e3:.1f} ms, the limit is {LAG_LIMIT_MS:g} ms"
        found.append({"ok": lag["p99"] < LAG_LIMIT_MS * 1e3, "text": text})
    if order is not None:
        text = (
            f"quote to order p99 is {order['p99'] / 1e3:.1f} ms over {result['orders']['orders']:,} orders, "
            f"{BarsSection().grace_s * 1e3:g} ms of it the wait of a bar for late quotes"
        )
        found.append({"ok": True, "text": text})
    elif result["asked"]["strategy"] is not None:
        found.append({"ok": False, "text": "no order was sent, so quote to order was not measured; run longer"})
    return found


def print_ticks(result: dict[str, Any], console: Console) -> None:
    """Print a result as a table, then the machine and the verdicts."""
    asked, ticks, cpu = result["asked"], result["ticks"], result["cpu"]
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    table.add_row("symbols", f"{asked['symbols']:,}", f"{asked['rate']:g} tick/s each for {asked['seconds']:g} s")
    table.add_row("sent", f"{ticks['sent']:,}", f"of {ticks['expected']:,} over {ticks['connections']} connection(s)")
    table.add_row("received", f"{ticks['received']:,}", _reasons(ticks["dropped"]))
    for name in ("lost", "late"):
        table.add_row(name, f"{ticks[name]:,}")
    table.add_row("merged", f"{ticks['merged']:,}", f"by the exchange {ticks['merged_by_exchange']:,}")
    table.add_row("bars", f"{result['bars']:,}", f"of {asked['interval']}; {result['signals']:,} signals")
    orders = result["orders"]
    table.add_row("orders", f"{orders['orders']:,}", ", ".join(f"{n} {k}" for k, n in orders.items() if k != "orders"))
    for name, figures in result["latency_us"].items():
        rest = f"p50 {_ms(figures['p50'])}, max {_ms(figures['max'])}"
        table.add_row(f"{name.replace('_', ' ')} p99", _ms(figures["p99"]), rest)
    if cpu["daemon_s"] is not None:
        table.add_row(
            "daemon CPU", f"{cpu['daemon_s']:.1f} s", f"of {cpu['seconds']:g} s; workers {cpu['workers_s']:.1f} s"
        )
        table.add_row("  a tick", f"{cpu['daemon_us_per_tick']:.1f} us", "without workers")
    if cpu["daemon_peak_mb"] is not None:
        table.add_row("daemon memory", f"{cpu['daemon_peak_mb']:.0f} MB", "peak, without workers")
    if cpu["exchange_s"] is not None:
        table.add_row("exchange CPU", f"{cpu['exchange_s']:.1f} s")
    console.print(table)
    print_footer(result, console)


def _reasons(dropped: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {reason.replace('_', ' ')}" for reason, n in dropped.items())


def _ms(us: float) -> str:
    return f"{us / 1e3:,.2f} ms"
