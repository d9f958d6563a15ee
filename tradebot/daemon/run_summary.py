"""The summary of a run: one `run_summarized` event with orders, fills, charges, profit, latencies and drops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from tradebot.daemon.run_results import PAISE, RunResults
from tradebot.domain.order import OrderState
from tradebot.ops.events.run import RunSummarized
from tradebot.ops.latency import Latencies
from tradebot.trading.bar_builder import BarBuilder
from tradebot.trading.desk.account_view import AccountView
from tradebot.trading.engine import Engine

LATENCIES = (
    "quote_to_signal",
    "signal_to_order",
    "quote_to_order",
    "order_to_ack",
    "close_to_signals",
    "loop_lag",
    "gc_pause",
)


def summarize_run(
    *, engine: Engine, account: AccountView, bars: BarBuilder, latencies: Latencies, results: RunResults
) -> RunSummarized:
    """Return the summary of a run.

    Counts and sums are of this run, unless they name their span: `run_`, `day_` or `whole_` (since the journal began).
    Money is rounded to paise for people; the journal keeps it exact.
    """
    orders = results.run_orders()
    states = Counter(o.state for o in orders)
    sent = [o for o in orders if o.state is not OrderState.DENIED]
    unrealized = account.unrealized_profit()
    return RunSummarized(
        orders=len(sent),
        filled=states[OrderState.FILLED],
        rejected=states[OrderState.REJECTED],
        cancelled=states[OrderState.CANCELED],
        unknown=states[OrderState.UNKNOWN],
        denied=states[OrderState.DENIED],
        denied_by=account.denials.by_control,
        fills=results.run_fills,
        **results.as_fields(),
        unrealized=unrealized.quantize(PAISE),
        open_positions={s: str(q) for s, q in account.open_quantities().items()},
        signals=account.signal_counts["signals"],
        signals_ignored=account.signal_counts["ignored"],
        signals_late=account.signal_counts["late_signals"],
        reversals_late=account.signal_counts["late_reversals"],
        bars=bars.closed_count,
        quotes_received=bars.quote_filter.accepted_count
        + sum(bars.quote_filter.dropped_counts.values())
        + engine.queues.market.merged_count,
        quotes=bars.quote_filter.accepted_count,
        quotes_late=bars.late_quotes.total_count,
        quotes_merged=engine.queues.market.merged_count + engine.queues.quotes.merged_count,
        quotes_dropped=dict(bars.quote_filter.dropped_counts),
        resubscribed=engine.resubscribed_count,
        reconciled=engine.reconciliation.completed_polls,
        frames_dropped=engine.frames_dropped,
        rows_not_read=engine.reconciliation.account_reader.unread_count,
        latencies=_latencies(latencies) | _stop_delays(account.stop_delays()),
    )


def _stop_delays(delays: Sequence[int]) -> dict[str, float]:
    # From our receipt of a fill to the venue's word that its stop rests; with the desk's tick that sees it.
    if not delays:
        return {}
    shares = {"p50_us": 50, "p99_us": 99, "max_us": 100}
    return {f"fill_to_stop_{name}": float(np.percentile(delays, share)) / 1000 for name, share in shares.items()}


def _latencies(latencies: Latencies) -> dict[str, float]:
    measured, found = latencies.percentile_summary(), dict[str, float]()
    for name in LATENCIES:
        if name in measured:
            for figure in ("p50_us", "p99_us", "max_us"):
                found[f"{name}_{figure}"] = round(measured[name][figure], 1)
    return found
