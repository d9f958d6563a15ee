"""The metrics of an account: money, limits, positions, orders, refusals, halts."""

from __future__ import annotations

from tradebot.metrics.metric_spec import COUNT, DESK, EVENT_BUS, GATE, MONEY_UNIT, RATIO, YES_NO, C, G, MetricSpec

MONEY = (
    MetricSpec(
        "tradebot_pnl",
        G,
        "Profit: `day` and `total` (since the journal began) after charges and with open "
        "positions at their marks, `realized` and `unrealized` before charges",
        MONEY_UNIT,
        DESK,
        ("kind",),
    ),
    MetricSpec(
        "tradebot_charges",
        G,
        "Charges of our fills, of the day and since the journal began (`total`)",
        MONEY_UNIT,
        DESK,
        ("span",),
    ),
    MetricSpec(
        "tradebot_limit_used_ratio",
        G,
        "Used part of a limit of the account; daily_loss is 0 in profit",
        RATIO,
        GATE,
        ("limit",),
    ),
    MetricSpec(
        "tradebot_positions",
        G,
        "Open positions, `own` ones and those of other hands in the account",
        COUNT,
        DESK,
        ("owner",),
    ),
    MetricSpec(
        "tradebot_position_quantity",
        G,
        "Signed quantity of an open position, of the 200 opened first",
        "shares or contracts",
        DESK,
        ("symbol",),
    ),
    MetricSpec(
        "tradebot_position_symbols_omitted", G, "Open positions without a tradebot_position_quantity", COUNT, DESK
    ),
)
ORDERS = (
    MetricSpec(
        "tradebot_orders",
        G,
        "Orders by state and purpose: all that may still trade, and the newest 20,000 that ended",
        COUNT,
        DESK,
        ("state", "purpose"),
    ),
    MetricSpec(
        "tradebot_orders_sent_total",
        C,
        "Orders that left for the venue in this process",
        COUNT,
        EVENT_BUS,
        ("purpose",),
    ),
    MetricSpec(
        "tradebot_fills_total",
        C,
        "Fills booked in this process; `external` ones are other hands'",
        COUNT,
        EVENT_BUS,
        ("purpose",),
    ),
    MetricSpec(
        "tradebot_rejects_total", C, "Orders that the venue rejected in this process", COUNT, EVENT_BUS, ("purpose",)
    ),
    MetricSpec(
        "tradebot_external_orders_total",
        C,
        "Orders of other hands seen in the account in this process",
        COUNT,
        EVENT_BUS,
    ),
    MetricSpec(
        "tradebot_refusals_total", C, "Orders that a control refused in this process", COUNT, GATE, ("control",)
    ),
    MetricSpec(
        "tradebot_signals_total",
        C,
        "Signals that came in this process, by what became of them",
        COUNT,
        DESK,
        ("result",),
    ),
    MetricSpec(
        "tradebot_resting_stops",
        G,
        "Open positions that want a stop at the venue, by whether one rests for all of it (`held`) or not (`missing`)",
        COUNT,
        DESK,
        ("state",),
    ),
    MetricSpec("tradebot_halted", G, "Whether a halt or the HALT file bars entries everywhere", YES_NO, DESK),
    MetricSpec("tradebot_halts", G, "Halts in force by the kind of their scope", COUNT, DESK, ("scope",)),
    MetricSpec(
        "tradebot_entries_blocked",
        G,
        "Whether a passing condition blocks all entries: HALT file, login, the venue's books, clock, disk",
        YES_NO,
        DESK,
        ("reason",),
    ),
)
