"""The figures of the account at a scrape: money, limits, positions, orders, refusals, halts; all from the account view.

A scrape runs in the event loop, so each walk is over what is open or kept, and in one pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from operator import attrgetter

from tradebot.domain.commands import ScopeKind
from tradebot.domain.order import OrderPurpose, OrderState
from tradebot.metrics.figure import Figure
from tradebot.trading.desk.account_view import AccountView

SYMBOLS_SHOWN = 200  # open positions with a series of their own: a scrape of thousands would hold the event loop
# Plain texts, whose hash is kept: an enum's is computed in Python for each of twenty thousand orders.
STATE_AND_PURPOSE = attrgetter("state._value_", "request.purpose._value_")
STATES_SHOWN = tuple((state.value, purpose.value) for state in OrderState for purpose in OrderPurpose)


def account_figures(account: AccountView, *, killed: str) -> Iterator[Figure]:
    """Yield every figure of an account; `killed` is the reason in the HALT file, "" without it."""
    yield from money_figures(account)
    yield from position_figures(account)
    yield from order_figures(account)
    yield from halt_figures(account, killed=killed)


def money_figures(account: AccountView) -> Iterator[Figure]:
    """Yield profit, charges and the used parts of the limits."""
    (_, charges, realized), total = account.fill_totals, account.total_profit()
    # What is left of the total is unrealized: to add up thousands of positions a second time would take milliseconds.
    unrealized = total - realized + charges
    profits = {"day": account.day_profit(), "total": total, "realized": realized, "unrealized": unrealized}
    for kind, profit in profits.items():
        yield Figure("tradebot_pnl", float(profit), (kind,))
    yield Figure("tradebot_charges", float(account.day_fill_totals[1]), ("day",))
    yield Figure("tradebot_charges", float(charges), ("total",))
    for limit, (used, most) in account.limit_usage().items():
        # A limit of zero lets nothing pass: it is used up.
        yield Figure("tradebot_limit_used_ratio", float(used / most) if most > 0 else 1.0, (limit,))


def position_figures(account: AccountView) -> Iterator[Figure]:
    """Yield the positions, and which of them have a stop at the venue."""
    opened = account.open_quantities()
    yield Figure("tradebot_positions", len(opened), ("own",))
    yield Figure("tradebot_positions", len(account.external_positions()), ("external",))
    for symbol, quantity in islice(opened.items(), SYMBOLS_SHOWN):
        yield Figure("tradebot_position_quantity", float(quantity), (symbol,))
    yield Figure("tradebot_position_symbols_omitted", max(len(opened) - SYMBOLS_SHOWN, 0))
    stops = account.resting_stops()
    held = sum(1 for stop in stops if stop.resting >= abs(stop.quantity))
    yield Figure("tradebot_resting_stops", held, ("held",))
    yield Figure("tradebot_resting_stops", len(stops) - held, ("missing",))


def order_figures(account: AccountView) -> Iterator[Figure]:
    """Yield the orders by state and purpose, what the gate refused, and what became of the signals."""
    found: Counter[tuple[str, str]] = Counter(map(STATE_AND_PURPOSE, account.kept_orders().values()))
    for shown in STATES_SHOWN:
        yield Figure("tradebot_orders", found[shown], shown)
    denials = account.denials.by_control
    for control in dict.fromkeys((*account.control_names, *denials)):
        yield Figure("tradebot_refusals_total", denials.get(control, 0), (control,))
    for result, count in account.signal_counts.items():
        yield Figure("tradebot_signals_total", count, (result,))


def halt_figures(account: AccountView, *, killed: str) -> Iterator[Figure]:
    """Yield the halts in force, and the passing conditions that block entries."""
    conditions = account.conditions
    yield Figure("tradebot_halted", float(bool(killed or conditions.halt_reason)))
    scopes = Counter(command.scope.kind for command in conditions.halts.active_commands)
    for kind in ScopeKind:
        yield Figure("tradebot_halts", scopes[kind], (str(kind),))
    blocked = {
        "halt_file": killed,
        "login": conditions.links.session_lost,
        "books": conditions.blind_reason,
        "clock": conditions.clock_offset_reason,
        "disk": conditions.disk_short,
    }
    for reason, why in blocked.items():
        yield Figure("tradebot_entries_blocked", float(bool(why)), (reason,))
