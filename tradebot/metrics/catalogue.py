"""The catalogue of all metrics: name, kind, labels, and what its help says: unit and source. Nothing else is exposed.

Units are base units: seconds, bytes, ratios from 0 to 1. Money is in the account's currency. Every label has a bounded
set of values: the symbols of open positions (the first 200), or words that the code fixes. None is an order's.
"""

from __future__ import annotations

from tradebot.metrics.account_metrics import MONEY, ORDERS
from tradebot.metrics.metric_spec import BYTES, COUNT, EVENT_BUS, KERNEL, SECONDS, YES_NO, C, G, MetricSpec
from tradebot.metrics.stage_metrics import ENGINE, FEED, STORAGE

PROCESS = (
    MetricSpec("process_resident_memory_bytes", G, "Memory of the daemon's process", BYTES, KERNEL),
    MetricSpec("process_cpu_seconds_total", C, "CPU time of the daemon's process, user and system", SECONDS, KERNEL),
    MetricSpec("process_open_fds", G, "Open file descriptors of the daemon's process", COUNT, KERNEL),
    MetricSpec("process_max_fds", G, "File descriptors that the daemon's process may open", COUNT, KERNEL),
    MetricSpec("process_start_time_seconds", G, "Start of the run", "Unix seconds", "this machine's clock"),
)
DAEMON = (
    MetricSpec("tradebot_build_info", G, "Version and mode, as labels", "always 1", "settings", ("version", "mode")),
    MetricSpec("tradebot_state", G, "Which state the run is in", YES_NO, "its stages", ("state",)),
    MetricSpec("tradebot_earlier_runs", G, "Earlier runs, by how they ended", COUNT, "the journal", ("end",)),
    MetricSpec(
        "tradebot_events_total",
        C,
        "Events of this process by name, those below the log's level included",
        COUNT,
        EVENT_BUS,
        ("event", "level"),
    ),
    MetricSpec("tradebot_log_lines_dropped_total", C, "Lines of the log that were lost", COUNT, "the log's writer"),
)
METRICS: dict[str, MetricSpec] = {
    spec.name: spec for spec in (*DAEMON, *MONEY, *ORDERS, *FEED, *ENGINE, *STORAGE, *PROCESS)
}
