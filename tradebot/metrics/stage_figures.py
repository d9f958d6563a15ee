"""The figures of the stages at a scrape: session, feed, queues, workers, journal, tables and disk."""

from __future__ import annotations

from collections.abc import Iterator

from tradebot.clock import SECOND, VenueClock
from tradebot.metrics.figure import Figure, one_of
from tradebot.metrics.run_sources import RunSources

LOGGED_IN, NEED_LOGIN = "LOGGED_IN", "NEED_LOGIN"
LOGIN_STATES = (LOGGED_IN, "EXPIRING", NEED_LOGIN)
RUN_STATES = ("starting", "trading", "stopping")


def stage_figures(sources: RunSources) -> Iterator[Figure]:
    """Yield every figure of the stages."""
    yield from run_figures(sources)
    yield from session_figures(sources)
    yield from feed_figures(sources)
    yield from queue_figures(sources)
    yield from storage_figures(sources)


def run_figures(sources: RunSources) -> Iterator[Figure]:
    """Yield the state of the run and its worker processes."""
    is_stopping, is_trading = sources.account.conditions.is_stopping, sources.is_trading()
    yield from one_of(
        "tradebot_state", "stopping" if is_stopping else "trading" if is_trading else "starting", RUN_STATES
    )
    runs, cut_off = sources.ended_runs
    yield Figure("tradebot_earlier_runs", runs - cut_off, ("clean",))
    yield Figure("tradebot_earlier_runs", cut_off, ("cut_off",))
    yield Figure("tradebot_workers", sources.workers())


def session_figures(sources: RunSources) -> Iterator[Figure]:
    """Yield the market's session and our login. A login that the venue refuses is needed, whatever it says itself."""
    conditions, now = sources.account.conditions, sources.clock.market_ns()
    session = conditions.times.session
    yield Figure("tradebot_session_open", float(session is not None and session.is_open(now)))
    if session is not None:
        yield Figure("tradebot_session_closes_timestamp_seconds", session.closes_at / SECOND)
    state = NEED_LOGIN if conditions.links.session_lost else sources.login_state() or LOGGED_IN
    yield from one_of("tradebot_login_state", state, LOGIN_STATES)


def feed_figures(sources: RunSources) -> Iterator[Figure]:
    """Yield quotes, bars and what is wrong with them; the feed's age only once a quote has come."""
    account, engine, bars, clock = sources.account, sources.engine, sources.bars, sources.clock
    if newest := account.newest_quote_mono:
        yield Figure("tradebot_feed_age_seconds", max(clock.monotonic_ns() - newest, 0) / SECOND)
    yield Figure("tradebot_feed_stale", float(bool(account.conditions.links.stale_sources)))
    merged = engine.queues.market.merged_count + engine.queues.quotes.merged_count
    results = {"accepted": bars.quote_filter.accepted_count} | bars.quote_filter.dropped_counts | {"merged": merged}
    for result, count in results.items():
        yield Figure("tradebot_quotes_total", count, (result,))
    yield Figure("tradebot_frames_dropped_total", sum(engine.frames_dropped.values()))
    yield Figure("tradebot_resubscriptions_total", engine.resubscribed_count)
    held_back = len(engine.signal_stage.held_back)
    yield Figure("tradebot_symbols", sources.symbols - held_back, ("deciding",))
    yield Figure("tradebot_symbols", held_back, ("held_back",))
    yield Figure("tradebot_bars_total", bars.closed_count)
    if last := engine.signal_stage.last_bar_at:
        yield Figure("tradebot_last_bar_timestamp_seconds", last / SECOND)
    lead = clock.wall_lead_ns if isinstance(clock, VenueClock) else 0  # a simulated exchange has this machine's clock
    yield Figure("tradebot_clock_offset_seconds", lead / SECOND)


def queue_figures(sources: RunSources) -> Iterator[Figure]:
    """Yield the depth of each queue; that of orders counts those being sent, too."""
    for queue in sources.engine.queues:
        yield Figure("tradebot_queue_depth", queue.qsize(), (queue.name,))
        yield Figure("tradebot_queue_deepest", queue.max_depth, (queue.name,))
        yield Figure("tradebot_queue_limit", queue.maxsize, (queue.name,))
    yield Figure("tradebot_queue_depth", sources.engine.order_sender.queue.pending_count, ("execution",))


def storage_figures(sources: RunSources) -> Iterator[Figure]:
    """Yield journal, tables and disk; the tables only where they are fed, the disk once it has answered."""
    queued, on_disk = sources.journal.row_numbers
    yield Figure("tradebot_journal_rows_total", on_disk)
    yield Figure("tradebot_journal_queue_rows", queued - on_disk)
    yield Figure("tradebot_journal_lag_seconds", sources.journal.lag_ns / SECOND)
    if (outbox := sources.outbox) is not None:
        yield Figure("tradebot_outbox_lag_rows", outbox.rows_behind)
        yield Figure("tradebot_outbox_up", float(not outbox.trouble))
    if (space := sources.disk.disk_space) is not None:
        yield Figure("tradebot_disk_free_bytes", space.free_bytes)
        yield Figure("tradebot_disk_reserve_bytes", space.reserve_bytes)
        yield Figure("tradebot_disk_level", int(sources.disk.level))
        yield Figure("tradebot_journal_log_bytes", space.wal_bytes)
