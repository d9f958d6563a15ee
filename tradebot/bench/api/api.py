"""The benchmark of the operator's API: a quote on the wire to its order, with and without a load on the API.

Venue, daemon and load are three processes over real sockets. Slices without and with the load take turns, so that a
busy moment of the machine slows both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from tradebot.bench.api.daemon import ReaderCounts, serve_orders_and_api
from tradebot.bench.api.load import ApiLoad, LoadResult, serve_load
from tradebot.bench.daemon.measured_daemon import DaemonSite
from tradebot.bench.measuring import report
from tradebot.bench.measuring.process import failures_as_errors, piped_process, receive_within
from tradebot.bench.measuring.session import clock_in_session
from tradebot.bench.venue.ticker import AwaitArmed, QuoteSlice, SliceResult, Ticker
from tradebot.bench.venue.venue import VenueProcess, open_venue
from tradebot.clock import SECOND, Clock
from tradebot.control.api_token import load_token, token_path
from tradebot.control.event_stream import WRITE_WITHIN_S
from tradebot.control.request_guard import HTTP_BURST, HTTP_PER_S
from tradebot.domain.message import Message

SYMBOLS = 50
NAME = "tradebot"
QUOTES_PER_S = 200.0
START_S = 30.0
MODERATE, SILENT, FLOOD = "moderate", "silent", "flood"
LOADS = {  # the flood comes last: it leaves the others nothing of the API's rate
    MODERATE: ApiLoad(per_second=20, readers=10),
    SILENT: ApiLoad(silent_readers=10),
    FLOOD: ApiLoad(per_second=1_000),
}
MODERATE_LIMIT, FLOOD_LIMIT = 1.1, 1.5  # times the delay without a load
SERVED_SHARE, OFFERED_SHARE, UNANSWERED_SHARE = 0.9, 0.9, 0.01
DROP_POLL_S = 1.0


class ApiBench(Message, frozen=True):
    """What to measure: for each load `pairs` pairs of slices of `for_s`, one without it and one with it.

    About `orders` quotes a second hit a stop. A slice with readers that never read is longer by up to
    `dropped_within_s`, until the daemon has dropped them.
    """

    for_s: float
    pairs: int
    orders: float
    dropped_within_s: float = WRITE_WITHIN_S + 5.0

    def quotes(self, for_s: float) -> QuoteSlice:
        """Return the quotes of a slice of so many seconds."""
        every = max(1, round(QUOTES_PER_S / self.orders))
        return QuoteSlice(client=NAME, rate=QUOTES_PER_S, count=max(every, int(QUOTES_PER_S * for_s)), every=every)


def measure_api(asked: ApiBench, *, clock: Clock, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Run the benchmark and return its figures as JSON values; `progress` gets pairs done and in all.

    Processes are ended and files removed in any case. Raises TradebotError when one of the three processes fails.
    """
    with failures_as_errors(), _open_processes(clock) as processes:
        rows, total = list[dict[str, Any]](), asked.pairs * len(LOADS)
        processes.send_quotes(asked.quotes(asked.for_s))  # the first ones run through code that is not warm
        for name, load in LOADS.items():
            pairs = []
            for number in range(asked.pairs):
                progress(len(rows) * asked.pairs + number, total)
                pairs.append(processes.measure_pair(load, asked))
            rows.append(_row(name, load, pairs))
    return {"bench": "api", "asked": _asked(asked), "rows": rows}


class _Pair(NamedTuple):
    without: list[SliceResult]
    with_load: list[SliceResult]
    load: LoadResult
    counts: ReaderCounts  # of this pair

    def ratio(self, rank: int) -> float | None:
        """Return the delay of this rank with the load in units of that without it, None where there were no orders."""
        without, with_load = _delay_us(self.without, rank), _delay_us(self.with_load, rank)
        return None if without is None or with_load is None else with_load / without


class _Processes(NamedTuple):
    venue: VenueProcess
    daemon: Connection
    load: Connection
    clock: Clock

    def measure_pair(self, load: ApiLoad, asked: ApiBench) -> _Pair:
        """Measure a slice without the load, then one with it."""
        quotes = asked.quotes(asked.for_s)
        without, before = self.send_quotes(quotes), self._reader_counts()
        self.load.send(load)
        slices = [self.send_quotes(quotes)]
        until = self.clock.monotonic_ns() + int(asked.dropped_within_s * SECOND)
        must_drop = before.dropped + load.silent_readers
        while (counts := self._reader_counts()).dropped < must_drop and self.clock.monotonic_ns() < until:
            slices.append(self.send_quotes(asked.quotes(DROP_POLL_S)))  # a feed without quotes would count as lost
        self.load.send(None)
        found = ReaderCounts(dropped=counts.dropped - before.dropped, missed=counts.missed - before.missed)
        return _Pair([without], slices, self.load.recv(), found)

    def send_quotes(self, quotes: QuoteSlice) -> SliceResult:
        """Send the quotes of a slice and return what came of them."""
        found: SliceResult = self.venue.ask_venue(quotes)
        return found

    def _reader_counts(self) -> ReaderCounts:
        self.daemon.send(None)
        counts: ReaderCounts = self.daemon.recv()
        return counts


@contextmanager
def _open_processes(clock: Clock) -> Iterator[_Processes]:
    market = clock_in_session(clock)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="tradebot-bench-", ignore_cleanup_errors=True)))
        venue = stack.enter_context(open_venue(Ticker(SYMBOLS, (NAME,), market)))
        rest, ticker = venue.addresses
        site = DaemonSite(NAME, SYMBOLS, rest, market, folder)
        daemon = stack.enter_context(piped_process(partial(serve_orders_and_api, site, ticker)))
        port = receive_within(daemon, within_s=START_S, late="the daemon did not start")
        token = load_token(token_path(folder / NAME))
        load = stack.enter_context(piped_process(partial(serve_load, port, token)))
        venue.ask_venue(AwaitArmed())
        yield _Processes(venue, daemon, load, clock)


def _delay_us(slices: Sequence[SliceResult], rank: int) -> float | None:
    delays = [delay for one in slices for delay in one.delays]
    return round(float(np.percentile(delays, rank)) / 1e3, 1) if delays else None


def _row(name: str, load: ApiLoad, pairs: Sequence[_Pair]) -> dict[str, Any]:
    answers = [pair.load.answers for pair in pairs]
    row: dict[str, Any] = {
        "load": name,
        "load_s": round(sum(pair.load.seconds for pair in pairs), 1),
        "requests": sum(pair.load.offered for pair in pairs),
        "status_200": sum(found.get(200, 0) for found in answers),
        "status_429": sum(found.get(429, 0) for found in answers),
        "no_answer": sum(pair.load.unanswered for pair in pairs),
        "readers": (load.readers + load.silent_readers) * len(pairs),
        "events": sum(sum(pair.load.events) for pair in pairs),
        "missed": sum(pair.counts.missed for pair in pairs),
        "dropped": sum(pair.counts.dropped for pair in pairs),
    }
    sides = {
        "quiet": [one for pair in pairs for one in pair.without],
        "with": [one for pair in pairs for one in pair.with_load],
    }
    both = [*sides["quiet"], *sides["with"]]
    row |= {
        "n": sum(len(one.delays) for one in both),
        "missing": sum(one.missing for one in both),
        "unarmed": sum(one.unarmed for one in both),
    }
    for rank in (50, 99):
        for side, slices in sides.items():
            row[f"p{rank}_{side}_us"] = _delay_us(slices, rank)
        ratios = [ratio for pair in pairs if (ratio := pair.ratio(rank)) is not None]
        row[f"p{rank}_ratio"] = round(median(ratios), 3) if ratios else None
    return row


def api_verdicts(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return `{"ok": ..., "text": ...}` for each promise on the orders of a daemon whose API is under a load."""
    rows = {row["load"]: row for row in result["rows"]}
    missing, unarmed = (sum(row[name] for row in rows.values()) for name in ("missing", "unarmed"))
    silent = f"{missing:,} quotes that hit a stop led to no order"
    bare = f"{unarmed:,} quotes found no stop to hit: what was sold was not bought again in time"
    flood, moderate, stuck = rows[FLOOD], rows[MODERATE], rows[SILENT]
    orders = f"at {result['asked']['orders_per_s']:g} orders/s"
    return [
        report.promise_verdict(missing == 0, "every quote that hit a stop led to its order", silent, instead=True),
        report.promise_verdict(unarmed == 0, "every stop that was to be hit stood", bare, instead=True),
        _refusal_verdict(flood, result["asked"]["pairs"]),
        _delay_verdict(flood, f"under that flood and {orders}", (99,), FLOOD_LIMIT),
        _service_verdict(moderate),
        _delay_verdict(moderate, f"beside them and {orders}", (50, 99), MODERATE_LIMIT),
        _drop_verdict(stuck),
    ]


def _refusal_verdict(flood: dict[str, Any], pairs: int) -> dict[str, Any]:
    wanted = LOADS[FLOOD].per_second
    allowed = HTTP_BURST * pairs + HTTP_PER_S * (flood["load_s"] + pairs)  # a second's grace for each slice
    is_kept = (
        flood["requests"] >= OFFERED_SHARE * wanted * flood["load_s"]
        and flood["status_200"] <= allowed
        and flood["status_200"] + flood["status_429"] + flood["no_answer"] == flood["requests"]
        and flood["no_answer"] <= UNANSWERED_SHARE * flood["requests"]
    )
    text = (
        f"of {flood['requests']:,} requests in {flood['load_s']:g} s ({wanted:,}/s wanted) {flood['status_200']:,} were"
        f" answered, {flood['status_429']:,} refused with 429 and {flood['no_answer']:,} not answered; the API's rate"
        f" allows {allowed:,.0f}"
    )
    return {"ok": is_kept, "text": text}


def _service_verdict(moderate: dict[str, Any]) -> dict[str, Any]:
    load = LOADS[MODERATE]
    text = (
        f"at {load.per_second} requests/s {moderate['status_200']:,} of {moderate['requests']:,} were answered, and"
        f" {load.readers} readers at once read {moderate['events']:,} events"
    )
    is_served = moderate["status_200"] >= SERVED_SHARE * moderate["requests"] and moderate["events"] > 0
    return {"ok": is_served and moderate["dropped"] == 0, "text": text}


def _drop_verdict(stuck: dict[str, Any]) -> dict[str, Any]:
    dropped, readers = stuck["dropped"], stuck["readers"]
    if stuck["p99_ratio"] is None:
        return {"ok": False, "text": "beside readers that never read nothing was measured"}
    text = (
        f"{dropped} of {readers} readers that never read were dropped and counted; beside them quote to order takes"
        f" {stuck['p50_ratio']:.2f} times (p50) and {stuck['p99_ratio']:.2f} times (p99) that without"
    )
    return {"ok": dropped == readers, "text": text}


def _delay_verdict(row: dict[str, Any], when: str, ranks: Sequence[int], limit: float) -> dict[str, Any]:
    ratios = [row[f"p{rank}_ratio"] for rank in ranks]
    if None in ratios:
        return {"ok": False, "text": f"{when} nothing was measured"}
    parts = [
        f"{row[f'p{rank}_with_us'] / 1e3:.2f} ms (p{rank}), {ratio:.2f} times that without"
        for rank, ratio in zip(ranks, ratios, strict=True)
    ]
    text = f"{when} quote to order takes {' and '.join(parts)}; the limit is {limit:g} times, as the median of pairs"
    return {"ok": max(ratios) <= limit, "text": text}


def _asked(asked: ApiBench) -> dict[str, Any]:
    return {
        "seconds": asked.for_s,
        "pairs": asked.pairs,
        "quotes_per_s": QUOTES_PER_S,
        "orders_per_s": QUOTES_PER_S / asked.quotes(asked.for_s).every,
        "symbols": SYMBOLS,
        "loads": {
            name: {"requests_per_s": load.per_second, "readers": load.readers, "silent_readers": load.silent_readers}
            for name, load in LOADS.items()
        },
    }
