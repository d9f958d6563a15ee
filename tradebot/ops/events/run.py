"""Events of a run: how it begins, how it stands, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from tradebot.ops.events.event import (
    CRITICAL,
    INFO,
    WARNING,
    Action,
    Count,
    Event,
    Money,
    Positions,
    Reason,
    Symbols,
)

Closed = Annotated[bool, "whether the run before ended with its journal closed"]


class DaemonStarted(Event, frozen=True):
    """The daemon began and has read its journal; the venue is not asked yet."""

    level = INFO
    do = "Nothing."
    version: Annotated[str, "of tradebot"]
    pid: Annotated[int, "the process"]
    state_dir: Annotated[str, "the folder of the journal"]
    runs: Annotated[int, "how many runs the journal holds already"]


class CautionRaised(Event, frozen=True):
    """The settings are allowed and something about them should be known before money depends on it."""

    level, was = WARNING, "caution"
    do = "Read the reason and change the setting it names, or accept it."
    reason: Reason


class _Compared(Event, frozen=True):
    clean: Closed
    positions: Annotated[int, "open positions of ours"]
    working: Annotated[int, "orders that may still be filled"]
    unknown: Annotated[int, "of these: whose fate is in doubt"]
    orders_at_venue: Count
    fills_at_venue: Count
    cash: Annotated[Any, "what the venue says is free, in the currency of the account"] = None
    halted: Annotated[str | None, "why nothing is opened, where that is so"] = None


class StateRecovered(_Compared, frozen=True):
    """A start over an earlier run: positions, orders and halts came out of the journal and were compared."""

    level, was = INFO, "recovered"
    do = "With `unknown` above 0 or `halted` there, look at `tradebot status`; else nothing."


class BooksReconciled(_Compared, frozen=True):
    """A first start: there was no earlier run, and the venue's books were read."""

    level, was = INFO, "reconciled"
    do = "Check that cash and orders are those of the account you mean."


class PositionsUnwatched(Event, frozen=True):
    """An earlier run left positions in symbols that this run does not watch: nothing guards or squares them off."""

    level = WARNING
    do = "Start with these symbols in --symbols too, or close the positions by hand."
    symbols: Symbols
    remedy: Action = "name them in --symbols too"


class LotOversized(Event, frozen=True):
    """One lot of a symbol costs more than an order may: no entry in it can ever leave."""

    level, was = WARNING, "lot_too_dear"
    do = "Raise risk.order_notional or leave the symbol out."
    reason: Reason


class TradingStarted(Event, frozen=True):
    """The daemon is ready: recovered, compared with the venue, the first sound quote is there or late."""

    level, was = INFO, "ready"
    do = "If quotes are `none yet` during market hours, look for feed_lost and at the venue."
    symbols: Annotated[int, "how many"]
    strategies: Annotated[Sequence[str], "the strategies"]
    interval: Annotated[str, "of the bars"]
    venue: Annotated[str, "the venue"]
    account: Annotated[str, "the account at the venue"]
    quotes: Annotated[str, "`flowing` or `none yet`"]


class StateShown(Event, frozen=True):
    """The daemon got SIGUSR1 and shows how it stands."""

    level, was, flat = INFO, "state", "picture"
    do = "Nothing; it was asked for."
    picture: Annotated[Mapping[str, Any], "the fields of `tradebot status`"]


class ConfigReloaded(Event, frozen=True):
    """The daemon took up a changed config: limits hold from the next order on, parameters from the next close."""

    level = WARNING
    do = "Nothing; it was asked for, by SIGHUP or `tradebot reload`."
    changes: Annotated[Sequence[str], "each setting: before -> after; none where the config is what the run has"]


class ReloadRefused(Event, frozen=True):
    """A changed config was not taken up, no part of it; the run goes on with the settings that it has."""

    level = WARNING
    do = "Correct the config and reload again; a restart takes up what a reload cannot."
    reason: Reason


class ProcessSignalIgnored(Event, frozen=True):
    """The process got a signal that asks for something it cannot do, such as reading its settings again."""

    level, was = WARNING, "signal_ignored"
    do = "Restart the daemon for changed settings to count."
    signal: Annotated[str, "the name of the signal, such as SIGHUP"]
    reason: Reason = "nothing can be reloaded while the daemon runs"


class StopRequested(Event, frozen=True):
    """The daemon was asked to stop: it opens nothing more, drains, and treats resting orders by execution.on_stop."""

    level, was = INFO, "daemon_stopping"
    do = "Nothing, if it was meant."
    reason: Reason
    resting_orders: Annotated[str, "what happens to them: the setting execution.on_stop"]


class ShutdownUnreconciled(Event, frozen=True):
    """The daemon stopped without a last look at the venue's books: the newest fills may be missing in the journal."""

    level, was = WARNING, "stopped_without_books"
    do = "Nothing if it starts again today, since a start looks; else compare positions in the broker's app."
    reason: Reason


class StopsEnded(Event, frozen=True):
    """The run ended with open positions whose stops and targets it held itself: nothing guards them any more.

    A stop that rests at the venue for a part of a position is named: `resting` shares of it are guarded.
    """

    level, was = WARNING, "stops_end"
    do = "Close them or place stops at the broker by hand, or start the daemon again."
    positions: Annotated[Mapping[str, Mapping[str, str]], "symbol -> quantity and the levels it was guarded by"]
    reason: Reason = "stops and targets are held by this process and end with it"
    action: Action = "nothing guards these positions until the daemon runs again: close them or place stops by hand"


class StopsRetained(Event, frozen=True):
    """The run ended with open positions whose stops rest at the venue as orders: those hold without the daemon.

    What the daemon held itself, such as a target, ends with it, and a trailing stop does not follow any more.
    """

    level = INFO
    do = "Nothing; if you close such a position by hand, cancel its stop at the broker too."
    positions: Annotated[Mapping[str, Mapping[str, str]], "symbol -> quantity, levels, and where its stop rests"]


class RunSummarized(Event, frozen=True):
    """The run is over: what it did, earned and dropped; `run_` is of it, `day_` of the day, `whole_` of the journal."""

    level, was, flat = INFO, "session_summary", "latencies"
    do = "Read it once a day: unknown, rejected and rows_not_read should be 0."
    orders: Annotated[int, "sent in this run"]
    filled: Annotated[int, "of these: filled whole"]
    rejected: Count
    cancelled: Count
    unknown: Annotated[int, "orders whose fate is in doubt"]
    denied: Annotated[int, "orders that the gate denied"]
    denied_by: Annotated[Mapping[str, int], "control -> how many"]
    fills: Count
    run_orders: Count
    run_fills: Count
    day_orders: Count
    day_fills: Count
    whole_orders: Count
    whole_fills: Count
    run_charges: Money
    run_realized: Money
    run_pnl_net: Money
    day_charges: Money
    day_pnl_net: Money
    whole_charges: Money
    whole_realized: Money
    whole_pnl_net: Money
    unrealized: Money
    open_positions: Positions
    signals: Count
    signals_ignored: Annotated[int, "that asked for what is already so"]
    signals_late: Annotated[int, "too old to trade on"]
    reversals_late: Annotated[int, "whose second half came too late"]
    bars: Count
    quotes_received: Count
    quotes: Annotated[int, "that passed the sieve"]
    quotes_late: Annotated[int, "after their bar had closed"]
    quotes_merged: Annotated[int, "where a newer one of the symbol came first"]
    quotes_dropped: Annotated[Mapping[str, int], "reason -> how many"]
    resubscribed: Annotated[int, "symbols that the stream was asked to send again"]
    reconciled: Annotated[int, "whole looks at the venue's books"]
    frames_dropped: Annotated[Mapping[str, int], "kind -> how many"]
    rows_not_read: Annotated[int, "rows of the venue's lists"]
    latencies: Annotated[
        Mapping[str, float], "NAME_p50_us, NAME_p99_us and NAME_max_us, microseconds, of what was measured"
    ]


class DaySummarized(Event, frozen=True):
    """The session is over, or the run ended in it: the day's figures for a person, of all runs of the day."""

    level = INFO
    do = "Read it; open_positions should hold what you mean to carry, and nothing else."
    day: Annotated[str, "the date"]
    is_over: Annotated[bool, "false where the run ended before the session"]
    pnl_net: Annotated[Money, "after charges, open positions at their marks"]
    charges: Money
    orders: Annotated[int, "that were sent"]
    fills: Count
    open_positions: Positions
    halted: Annotated[str | None, "why nothing is opened, where that is so"] = None


class DaemonStopped(Event, frozen=True):
    """The daemon ended as it should: everything is on disk, and the journal is closed."""

    level = INFO
    do = "Keep rows and head where the journal is not: `tradebot verify` compares with them (--head)."
    reason: Reason
    journal: Annotated[str, "the file"]
    rows: Annotated[int | None, "its last row"] = None
    head: Annotated[str | None, "the hash of that row"] = None


class DaemonFailed(Event, frozen=True):
    """The daemon could not start or go on, and ends; its positions stay open without the guards it held."""

    level = CRITICAL
    do = "Do what the reason says, look at open_positions at the broker, and start it again."
    reason: Reason
    error: Annotated[str, "the kind of error"]
    exit_code: Annotated[int, "what the process ends with"]
    open_positions: Positions
