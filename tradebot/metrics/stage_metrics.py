"""The metrics of the stages: session, feed, latencies, queues, workers, journal, tables, disk."""

from __future__ import annotations

from tradebot.metrics.metric_spec import (
    BYTES,
    COUNT,
    DESK,
    EVENT_BUS,
    MARKET_INSTANT,
    SECONDS,
    YES_NO,
    C,
    G,
    MetricKind,
    MetricSpec,
)

# Latencies that the daemon measures -> what lies between their two instants. Each becomes a histogram of seconds.
LATENCY_MEANINGS = {
    "quote_to_signal": "From our receipt of the quote behind a close to its signals",
    "signal_to_order": "From a signal to the first byte of its order",
    "quote_to_order": "From our receipt of a quote to the first byte of the order that it led to",
    "order_to_ack": "From the first byte of an order to the venue's answer",
    "close_to_signals": "From our receipt of a close of bars to the signals of all symbols",
    "loop_lag": "How late a tick of the clock came",
    "gc_pause": "Length of one garbage collection",
}

FEED = (
    MetricSpec("tradebot_session_open", G, "Whether the market's session is open", YES_NO, DESK),
    MetricSpec(
        "tradebot_session_closes_timestamp_seconds",
        G,
        "End of the session in force or next to come",
        MARKET_INSTANT,
        DESK,
    ),
    MetricSpec(
        "tradebot_login_state",
        G,
        "Which state our login at the venue is in",
        YES_NO,
        "the login and the desk",
        ("state",),
    ),
    MetricSpec("tradebot_feed_age_seconds", G, "Age of the newest quote", SECONDS, DESK),
    MetricSpec(
        "tradebot_feed_stale", G, "Whether a link of the feed is lost or silent, which blocks entries", YES_NO, DESK
    ),
    MetricSpec(
        "tradebot_quotes_total",
        C,
        "Quotes by what became of them: accepted, dropped for a reason, or merged into a newer one in a full queue",
        COUNT,
        "the quote filter and the queues",
        ("result",),
    ),
    MetricSpec("tradebot_frames_dropped_total", C, "Frames of the stream that could not be used", COUNT, "the feed"),
    MetricSpec(
        "tradebot_resubscriptions_total",
        C,
        "Instruments subscribed to again for their silence",
        COUNT,
        "the quote requester",
    ),
    MetricSpec(
        "tradebot_symbols",
        G,
        "Symbols of the run, those that are held back apart",
        COUNT,
        "the signal stage",
        ("state",),
    ),
    MetricSpec("tradebot_bars_total", C, "Bars that were closed in this process", COUNT, "the bar builder"),
    MetricSpec("tradebot_last_bar_timestamp_seconds", G, "End of the newest bar", MARKET_INSTANT, "the signal stage"),
    MetricSpec(
        "tradebot_clock_offset_seconds",
        G,
        "How far this machine's clock is ahead of market time",
        SECONDS,
        "the venue's clock",
    ),
)
ENGINE = (
    *(
        MetricSpec(f"tradebot_{name}_seconds", MetricKind.HISTOGRAM, what, SECONDS, f"the latency {name}")
        for name, what in LATENCY_MEANINGS.items()
    ),
    MetricSpec(
        "tradebot_latencies_missed_total",
        C,
        "Latencies in no histogram: overwritten before a scrape, because more than 65,536 of one came between two",
        COUNT,
        "the latencies",
        ("latency",),
    ),
    MetricSpec("tradebot_queue_depth", G, "Messages that wait in a queue now", COUNT, "the queues", ("queue",)),
    MetricSpec(
        "tradebot_queue_deepest",
        G,
        "Most messages that ever waited in a queue of this run",
        COUNT,
        "the queues",
        ("queue",),
    ),
    MetricSpec("tradebot_queue_limit", G, "Messages that a queue holds at most", COUNT, "the queues", ("queue",)),
    MetricSpec(
        "tradebot_workers", G, "Worker processes that run; 0 where strategies run inline", COUNT, "the analysis"
    ),
    MetricSpec("tradebot_worker_restarts_total", C, "Worker processes that were lost and replaced", COUNT, EVENT_BUS),
)
STORAGE = (
    MetricSpec("tradebot_journal_rows_total", C, "Rows on disk, those of earlier runs included", COUNT, "the journal"),
    MetricSpec("tradebot_journal_queue_rows", G, "Rows that are queued and not on disk yet", COUNT, "the journal"),
    MetricSpec(
        "tradebot_journal_lag_seconds",
        G,
        "How long the oldest queued row has waited for the disk",
        SECONDS,
        "the journal",
    ),
    MetricSpec("tradebot_outbox_lag_rows", G, "Rows on disk that are not in the tables yet", COUNT, "the outbox"),
    MetricSpec("tradebot_outbox_up", G, "Whether the database of the tables takes rows", YES_NO, "the outbox"),
    MetricSpec("tradebot_disk_free_bytes", G, "Bytes free on the journal's disk", BYTES, "the disk monitor"),
    MetricSpec("tradebot_disk_reserve_bytes", G, "What the journal keeps for a full disk", BYTES, "the disk monitor"),
    MetricSpec(
        "tradebot_disk_level",
        G,
        "How much room the journal's disk has",
        "0 enough, 1 low, 2 short (no entries), 3 full",
        "the disk monitor",
    ),
    MetricSpec("tradebot_journal_log_bytes", G, "Size of the journal's write-ahead log", BYTES, "the disk monitor"),
)
