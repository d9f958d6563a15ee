"""The assumptions behind the figures of a backtest, in words; printed with every result."""

from __future__ import annotations

from tradebot.backtest.job import Bill, Job
from tradebot.domain import products
from tradebot.markets.market import HOME_MARKET
from tradebot.trading.desk.rules.daily_loss import CLOSE, CLOSE_MULTIPLE

MAX_SYMBOLS_SHOWN = 6  # symbols named in the sentence on their order
FIXED_ASSUMPTIONS = (
    "orders decided at a bar's close meet the market at the next bar's open",
    "an order ends with its session; one decided at the session's last close, with the next session",
    "a reversal leaves and enters the other side at the same open",
    "inside a bar the extreme that hurts the position comes first: a stop counts before a target of the same bar",
    "a bar that opens beyond a stop fills it at the open",
    "in a bar without volume nothing trades, and orders wait for one with; data without volumes are taken to trade",
    "a resting limit fills only where the price went through it",
    "an entry takes no more than the cash pays, by its product's margin",
)


def assumptions_of(job: Job) -> tuple[str, ...]:
    """Return the assumptions of a job, one sentence each."""
    matching, found = job.matching, [*FIXED_ASSUMPTIONS, _place(job), _hours(job)]
    found.append(f"slippage: {matching.slippage}")
    if matching.latency_bars or matching.latency_s:
        found.append(f"latency: {matching.latency_bars} bars and {matching.latency_s:g} s")
    if matching.participation is None:
        found.append("every order finds all the volume it wants")
    else:
        found.append(f"orders take at most {matching.participation * 100:f}% of a bar's volume")
    match job.costs.bill:
        case Bill.INDIA:
            found.append(f"charges: brokerage, taxes and fees of the day, as billed in India for {_product(job)}")
            found.append(
                "taxes are counted exactly; a contract note rounds a day's transaction tax to whole"
                f" {HOME_MARKET.currency_word}"
            )
        case Bill.PERCENT:
            found.append(f"charges: {job.costs.commission_pct}% of the value of each fill")
        case Bill.NONE:
            found.append("charges: none")
    if job.invented:
        shown = ", ".join(job.invented[:5]) + (f" and {len(job.invented) - 5} more" if len(job.invented) > 5 else "")
        found.append(f"the prices of {shown} were invented by a simulated exchange: no market had them")
    if job.desk.on_daily_loss == CLOSE:
        found.append(f"at the day's loss limit entries end, at {CLOSE_MULTIPLE} times it intraday positions are closed")
    if job.resumes_daily:
        found.append("a halt is lifted when the next session begins")
    if job.shared and len(job.instruments) > 1:
        found.append(f"of entries at one open the symbol given first is paid first: {_order(job)}")
    if not job.shared:
        found.append("every symbol has an account of its own: no limit holds across symbols")
    return tuple(found)


def _order(job: Job) -> str:
    symbols = [instrument.symbol for instrument in job.instruments]
    return ", ".join(symbols[:MAX_SYMBOLS_SHOWN]) + (
        f" and so on, {len(symbols)} in all" if len(symbols) > MAX_SYMBOLS_SHOWN else ""
    )


def _place(job: Job) -> str:
    exchanges = ", ".join(sorted({instrument.exchange for instrument in job.instruments}))
    return f"market: {exchanges}, prices and cash in {job.currency}, times of {job.zone}"


def _hours(job: Job) -> str:
    if job.hours.market == "always":
        return "hours: around the clock; a day begins at midnight UTC, and no position is closed for its end"
    hours = job.hours
    return (
        f"hours: the sessions of India's exchanges; entries until {hours.entries_until:%H:%M}, positions closed from"
        f" {hours.square_off_at:%H:%M} on, or ahead of a symbol's own earlier close"
    )


def _product(job: Job) -> str:
    match job.desk.product:
        case products.INTRADAY if job.hours.market == "always":
            return f"intraday trades ({products.INTRADAY}), which no broker lets be held overnight as here"
        case products.INTRADAY:
            return f"intraday trades ({products.INTRADAY})"
        case products.DELIVERY:
            return "delivery (CNC), with the depository's fee for each share and day of a sale"
        case product:
            return f"positions that are carried ({product})"
