"""Events of the analysis: the past that strategies are warmed up with, the worker processes, strategies that fail."""

from __future__ import annotations

from typing import Annotated

from tradebot.ops.events.event import (
    DEBUG,
    ERROR,
    INFO,
    WARNING,
    Action,
    Count,
    Event,
    Reason,
    Strategy,
    Symbol,
    Symbols,
)

Worker = Annotated[int, "the number of the worker"]
Watched = Annotated[int, "how many symbols it has"]


class WorkersChosen(Event, frozen=True):
    """How many worker processes analysis.workers = "auto" means on this machine, and why."""

    level = INFO
    do = "Nothing."
    workers: Count
    reason: Reason


class WarmupStarted(Event, frozen=True):
    """The strategies get their past; a symbol decides nothing before it has its own, and what is open is guarded."""

    level, was = INFO, "warming_up"
    do = "Nothing."
    symbols: Count
    bars: Annotated[int, "how many a symbol"]
    from_journal: Annotated[int, "symbols whose bars the journal has"]
    from_history: Annotated[int, "symbols whose bars the local history has, without a gap"] = 0
    requests: Annotated[int, "symbols that the venue is asked for, those with positions or orders first"] = 0
    expected_s: Annotated[float | None, "seconds that the requests take at the venue's rate"] = None
    at_most_s: Annotated[float | None, "seconds it may take; no limit where symbols join one by one"] = None


class WarmupProgressed(Event, frozen=True):
    """So far these symbols have their past and decide; the others go on being fetched."""

    level = INFO
    do = "Nothing."
    warm: Annotated[int, "symbols that have a past"]
    waiting: Annotated[int, "symbols that do not decide yet"]
    expected_s: Annotated[float | None, "seconds that the rest takes at the venue's rate"] = None


class WarmupCompleted(Event, frozen=True):
    """All strategies decide from now on."""

    level, was = INFO, "warmed_up"
    do = "With `symbols` below `of` some start cold: look for warmup_bars_not_read."
    symbols: Annotated[int, "that have a past"]
    of: Annotated[int, "of so many"]
    bars: Count
    cold: Annotated[int, "symbols that have no past, or fewer bars than wanted"] = 0
    repaired: Annotated[int, "symbols whose held bars were not trusted and came from the venue instead"] = 0
    requests: Annotated[int, "requests for past bars that were sent"] = 0


class HeldBarsDoubted(Event, frozen=True):
    """The local history's bars of a symbol are no past of today's prices: the venue is asked for all of them."""

    level = WARNING
    do = "Look at `tradebot data check`; after a split, remove the series and download it again."
    symbol: Symbol
    reason: Reason


class HistoryNotRead(Event, frozen=True):
    """The local history cannot be used: the venue is asked for all past bars."""

    level = WARNING
    do = "Look at the reason; until it is mended, each start takes as long as the venue's rate makes it take."
    reason: Reason


class HistoryNotSaved(Event, frozen=True):
    """Bars that the venue gave could not be written to the local history: the next start asks for them again."""

    level = WARNING
    do = "Nothing for once; if it repeats, look at the reason."
    symbols: Count
    reason: Reason


class WarmupBarsNotRead(Event, frozen=True):
    """The past bars of a symbol could not be fetched in several tries: its strategies start cold."""

    level, was = WARNING, "warmup_missing"
    do = "Nothing for one symbol; if all miss, the venue's history is down."
    symbol: Symbol
    reason: Reason


class WarmupDenied(Event, frozen=True):
    """The account has no right to past bars: every strategy starts cold."""

    level = WARNING
    do = "Buy the broker's historical data, or set analysis.warmup_bars = 0."
    reason: Reason
    action: Action = "the strategies start cold"


class WarmupPostponed(Event, frozen=True):
    """The login is lost before the strategies have their past; it is asked for again every 30 s."""

    level, was = WARNING, "warmup_waits"
    do = "Log in again."
    reason: Reason
    action: Action = "the strategies decide nothing until the login is back"


class WarmupRetried(Event, frozen=True):
    """The login is still lost, and the strategies still wait for their past."""

    level, was = DEBUG, "warmup_waits"
    do = "As for warmup_postponed."
    reason: Reason


class CandlesNotRead(Event, frozen=True):
    """Some past bars of a symbol could not be read and were left out."""

    level = WARNING
    do = "Nothing for a few; many mean that the venue changed its answers."
    symbol: Symbol
    candles: Count


class RepairStarted(Event, frozen=True):
    """The quotes were away over the ends of bars: the venue is asked for these bars, guarded symbols first."""

    level = INFO
    do = "Nothing."
    symbols: Count
    bars: Annotated[int, "how many a symbol"]
    expected_s: Annotated[float | None, "seconds that the requests take at the venue's rate"] = None


class BarsRepaired(Event, frozen=True):
    """Bars that an outage spoiled have been replaced by the venue's, and the strategies' state was computed again."""

    level = INFO
    do = "Nothing."
    symbols: Annotated[int, "whose bars were replaced"]
    of: Annotated[int, "of so many"]
    bars: Count


class BarsNotRepaired(Event, frozen=True):
    """The bars of a symbol that an outage spoiled could not be fetched: its strategies go on with what was built."""

    level = WARNING
    do = "Nothing for one symbol; if all miss, the venue's history is down."
    symbol: Symbol
    reason: Reason


class RepairDenied(Event, frozen=True):
    """The account has no right to past bars: what an outage spoiled stays as it was built."""

    level = WARNING
    do = "Buy the broker's historical data, or set analysis.warmup_bars = 0."
    reason: Reason


class SignalsWithheld(Event, frozen=True):
    """Symbols lack bars that an outage spoiled: none gives a signal before the repair; all guards go on."""

    level = WARNING
    do = "Nothing: stops, targets, square-off and your commands work. The end is told as signals_resumed."
    symbols: Annotated[int, "that give no signals"]
    bars: Annotated[int, "how many a symbol are to be repaired, or were missing so far while the outage goes on"]


class SignalsResumed(Event, frozen=True):
    """No symbol is held back any more: from the next close on all give signals again."""

    level = INFO
    do = "With `unrepaired` above 0 these decide on bars with a hole, until the averages have left it behind."
    closes: Annotated[int, "at which symbols were held back"]
    signals: Annotated[int, "that were not given at these closes"]
    unrepaired: Annotated[int, "symbols given up: the venue has no bars, refused them, or took too long"]


class StrategyDisabled(Event, frozen=True):
    """A strategy raised an error: it is off for that symbol until the daemon starts again."""

    level, was = ERROR, "strategy_off"
    do = "Mend the strategy and restart; what it opened stays guarded and is closed by its stops."
    strategy: Strategy
    symbol: Symbol
    reason: Reason


class WorkerLost(Event, frozen=True):
    """A worker process died or took too long: it is replaced, and its symbols decide nothing meanwhile."""

    level = ERROR
    do = "Nothing for one; if it repeats, look at memory (analysis.worker_memory_mb) and at what the strategy does."
    worker: Worker
    symbols: Watched
    reason: Reason


class WorkerRebuilt(Event, frozen=True):
    """A lost worker is back, with the state that it would have had."""

    level = INFO
    do = "Nothing."
    worker: Worker
    symbols: Watched
    closes: Annotated[int, "that it was fed again"]


class WorkerDisabled(Event, frozen=True):
    """A worker was lost too often: its symbols decide nothing until a restart; what is open stays guarded."""

    level, was = ERROR, "worker_off"
    do = "Find what the strategy does to its process, then restart."
    worker: Worker
    symbols: Watched
    reason: Reason
    replacements: Annotated[int, "how often it was replaced before"]
    names: Symbols
