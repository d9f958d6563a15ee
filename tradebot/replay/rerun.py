"""Decides a recorded run again: the same strategies, gate and desk get the recorded inputs, without sockets.

bars ▶ strategies ▶ signals         compared with the recorded signals
input log ▶ desk ▶ gate ▶ events    compared with the recorded events, and with the hash of orders and positions
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from tradebot.clock import ManualClock
from tradebot.domain.market import BarBatch
from tradebot.domain.message import Message, names_on_disk
from tradebot.domain.messages import AccountSnapshot, Command, Incident, Signal, Signals, TrailingStopPrices
from tradebot.domain.order import OrderEvent
from tradebot.errors import DataError
from tradebot.journal.input_log import (
    HaltFileSeen,
    InputEntry,
    InputLogBatch,
    InputQuotes,
    SignalsTaken,
    StartSnapshot,
    StrategiesStepped,
    UnchangedSnapshot,
)
from tradebot.journal.rows import JournalRow, StrategiesChanged, StrategiesRebuilt, SymbolsHeld, WarmupJoin
from tradebot.replay.recorded_run import RecordedLine, RecordedRun
from tradebot.strategies.loading import StrategySpec
from tradebot.trading.analysis.analysis import Analysis
from tradebot.trading.analysis.changed_params import with_params
from tradebot.trading.analysis.repaired_bars import apply_repairs
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.desk import Desk, build_desk
from tradebot.trading.desk.fill_charges import charges_by_market
from tradebot.trading.desk.gate.limits import Limits, build_gate
from tradebot.trading.desk.settings import DeskSettings

NOTHING = "nothing"
# Settings of today that older runs lacked, with the value that has the old effect.
ABSENT_LIMITS, ABSENT_RULES = (
    {"max_stop_pct": None},
    {"reverses": False, "max_rejected_symbols": 0, "on_daily_loss": "halt"},
)
# The old name of a session's average price, which included the opening in ns.
ANCHORED_NAME = re.compile(r"^(session_vwap)\(\d+\)$")
TRAILING_SINCE_FORMAT = 3  # from this format of rows on, the desk's messages on trailing stops are recorded
UNNAMED_CHARGED_SINCE_FORMAT = 4  # from this one on, symbols that only earlier runs named have charges
SUBJECT_FIELDS = ("order_id", "event", "signal_id", "verb")


class ReplayDifference(NamedTuple):
    """The first difference: `row` is the journal row of the recorded side; both sides are text."""

    what: str
    row: int
    at: int  # market ns
    recorded: str
    replayed: str


class ReplayResult(NamedTuple):
    """The result of a replay.

    `behind_tape` counts the outputs that a cut-off run recorded after the end of its input log.
    """

    run_id: str
    closes: int
    signals: int
    facts: int
    states: int
    state: str
    behind_tape: int
    difference: ReplayDifference | None


class _Differs(Exception):
    def __init__(self, difference: ReplayDifference) -> None:
        self.difference = difference


async def replay_run(
    recorded: RecordedRun, *, progress: Callable[[int, int], None] = lambda done, total: None
) -> ReplayResult:
    """Decide a recorded run again up to the first difference; `progress(done, total)` counts rows of inputs.

    Raises DataError for a strategy that can no longer be built.
    """
    rerun = _Rerun(recorded)
    difference = None
    try:
        await rerun.start_run()
        for done, row in enumerate(recorded.input_rows, 1):
            await rerun.replay_row(row)
            progress(done, len(recorded.input_rows))
        rerun.check_complete()
    except _Differs as found:
        difference = found.difference
    finally:
        await rerun.analysis.stop_workers()
    counts = rerun.counts
    return ReplayResult(
        run_id=recorded.run.run_id,
        closes=counts["closes"],
        signals=counts["signals"],
        facts=counts["facts"],
        states=counts["states"],
        state=rerun.desk.state_hash(),
        behind_tape=len(rerun.expected_outputs),
        difference=difference,
    )


class _LatePast(NamedTuple):
    # What came to the strategies while the run went on: joins, repairs and changed parameters, and holds still to be
    # made, the bars repaired so far.
    joins: deque[WarmupJoin]
    rebuilds: deque[tuple[StrategiesRebuilt | StrategiesChanged, tuple[BarBatch, ...]]]
    holds: deque[SymbolsHeld]
    repaired: list[BarBatch]


class _Rerun:
    def __init__(self, recorded: RecordedRun) -> None:
        self._recorded = recorded
        self._reason = ""  # text of the HALT file
        self._format = int(recorded.run.versions.get("rows", "1"))
        has_trailing = self._format >= TRAILING_SINCE_FORMAT
        self._compared = (OrderEvent, Command, Incident, *((TrailingStopPrices,) if has_trailing else ()))
        self.clock = ManualClock()
        try:
            self.desk, self.analysis = self._desk(), self._analysis()
        except (msgspec.ValidationError, TypeError) as error:
            version = recorded.run.versions.get("tradebot", "another version")
            raise DataError(
                f"run {recorded.run.run_id} was recorded by tradebot {version}, whose terms this version cannot take:"
                f" {error}"
            ) from error
        self.expected_outputs = deque(recorded.outputs)
        self._recorded_signals = deque(recorded.signals)
        # The first join only says who waits.
        joins, rebuilds, holds = deque(recorded.joins[1:]), deque(recorded.rebuilds), deque(recorded.holds)
        self._past = _LatePast(joins, rebuilds, holds, repaired=[])
        # End of a batch of bars, market ns -> the rows of its signals.
        self._lines_by_close: dict[int, list[RecordedLine]] = {}
        for line in recorded.signals:
            assert isinstance(line.message, Signals)
            self._lines_by_close.setdefault(line.message.at, []).append(line)
        self._snapshot: AccountSnapshot | None = None
        self._row = 0
        self.counts = dict.fromkeys(("closes", "signals", "facts", "states"), 0)

    def _desk(self) -> Desk:
        recorded, terms = self._recorded, self._recorded.terms
        settings = msgspec.convert(ABSENT_RULES | terms.desk, DeskSettings, strict=False)
        is_unnamed_charged = self._format >= UNNAMED_CHARGED_SINCE_FORMAT
        charges_of = charges_by_market(recorded.universe, charges_unnamed=is_unnamed_charged)
        return build_desk(
            Book(recorded.universe, settings, charges_of),
            gate=build_gate(
                msgspec.convert(ABSENT_LIMITS | terms.limits, Limits, strict=False), kill_reason=lambda: self._reason
            ),
            id_prefix=recorded.run.run_id,
            **terms.venue,
        )

    def _analysis(self) -> Analysis:
        terms = self._recorded.terms
        return Analysis(
            universe=self._recorded.universe,
            strategies=[msgspec.convert(spec, StrategySpec) for spec in terms.strategies],
            interval_ns=terms.interval,
            workers=0,
            deadline_s=60.0,
            clock=self.clock,
            load_closes=self._closes_so_far,
            on_fault=lambda event: None,  # strategies fail as they did in the run
        )

    async def start_run(self) -> None:
        """Restore the state with which the run started, and warm up the strategies."""
        before, terms = self._recorded.before, self._recorded.terms
        self.desk.recover_state(
            (*before.events, *before.closing_events),
            adopted=before.adopted,
            halted="",
            opens_at=terms.opens_at,
            halts=terms.halts,
            flattened=terms.flattened,
            best=before.best_prices,
        )
        self._compare_outputs(before.closing_events)
        waiting = self._recorded.waiting
        await self.analysis.start_workers([s for s in self._recorded.warmup if s.symbol not in waiting], waiting)

    async def replay_row(self, row: JournalRow) -> None:
        """Replay one row of inputs. Raises _Differs at the first difference."""
        batch = row.message
        assert isinstance(batch, InputLogBatch), f"row {row.seq} is a {row.kind}"
        self._row = row.seq
        for entry, after in zip(batch.entries, (*batch.entries[1:], None), strict=True):
            if after is not None and isinstance(after.message, HaltFileSeen):
                self._reason = after.message.reason  # the gate read it while it judged this entry
            await self._replay_input(entry)
        if batch.state:
            self.counts["states"] += 1
            if (state := self.desk.state_hash()) != batch.state:
                raise self._differs("the state of orders and positions", batch.state, state, row=row.seq)

    def check_complete(self) -> None:
        """Check that a run that ended in order recorded no further output. Raises _Differs."""
        if self._recorded.has_ended and self.expected_outputs:
            line = self.expected_outputs[0]
            raise self._differs(_name(line.message), _text(line.message), NOTHING, row=line.seq)

    async def _replay_input(self, entry: InputEntry) -> None:
        desk, mono = self.desk, entry.mono
        desk.advance_mono(mono)
        self.clock.now_ns = max(self.clock.now_ns, mono)
        match message := entry.message:
            case InputQuotes():
                desk.restore_quotes(message)
            case StrategiesStepped():
                await self._replay_close(message)
            case SignalsTaken():
                self._compare_outputs(desk.apply_message(self._next_signals(message)))
            case StartSnapshot():
                self._snapshot = message.snapshot
                self._compare_outputs(desk.adopt_snapshot(message.snapshot))
            case UnchangedSnapshot():
                assert self._snapshot is not None, "a tape repeats books it never had"
                self._compare_outputs(
                    desk.apply_message(msgspec.structs.replace(self._snapshot, asked_at=message.asked_at))
                )
            case HaltFileSeen():
                pass
            case _:
                if isinstance(message, AccountSnapshot):
                    self._snapshot = message
                self._compare_outputs(desk.apply_message(message))  # type: ignore[arg-type]

    async def _replay_close(self, step: StrategiesStepped) -> None:
        batch = self._recorded.closes.get(step.ends_at)
        if batch is None:
            raise self._differs("a close", NOTHING, f"the strategies were given one that ends at {step.ends_at}")
        if (held := self.desk.account.open_positions()) != step.holdings:
            raise self._differs("the holdings told to the strategies", repr(step.holdings), repr(held))
        self.counts["closes"] += 1
        await self._join_and_rebuild(until=step.ends_at)
        made = await self.analysis.compute_message(batch, step.holdings)
        lines = self._lines_by_close.get(step.ends_at, [])
        failed = {symbol for line in lines if isinstance(line.message, Signals) for symbol in line.message.failed}
        wanted = [(line.seq, s) for line in lines if isinstance(line.message, Signals) for s in line.message.signals]
        # A worker that failed in the run gave no signals; those symbols are not compared.
        given = [s for s in made.signals if s.symbol not in failed]
        for i in range(max(len(wanted), len(given))):
            row, recorded = wanted[i] if i < len(wanted) else (lines[0].seq if lines else self._row, None)
            replayed = given[i] if i < len(given) else None
            self.counts["signals"] += 1
            if replayed is not None and recorded is not None:
                # `made_at` is a time of our process, not a decision of the strategy.
                replayed = msgspec.structs.replace(replayed, made_at=recorded.made_at)
            recorded = None if recorded is None else with_current_names(recorded)
            if _text(recorded) != _text(replayed):
                raise self._differs("a signal", *_sides(recorded, replayed), row=row, at=step.ends_at)

    async def _join_and_rebuild(self, until: int) -> None:
        # What the strategies of the run got before the close that ended at `until`, in the order of these closes. Joins
        # and rebuilds after one close may change places: a joining symbol has its closes by then, repaired or not, and
        # its strategies have the parameters of the last change in either order.
        while self._past.joins and self._past.joins[0].after < until:
            symbols = self._past.joins.popleft().symbols
            await self.analysis.join_symbols(symbols, [s for s in self._recorded.warmup if s.symbol in symbols])
        while self._past.rebuilds and self._past.rebuilds[0][0].after < until:
            row, repaired = self._past.rebuilds.popleft()
            self._past.repaired.extend(repaired)
            if isinstance(row, StrategiesChanged):
                await self.analysis.change_params(with_params(self.analysis.strategies, row.params))
            else:
                await self.analysis.rebuild_state()
        while self._past.holds and self._past.holds[0].after < until:
            self.analysis.hold_back(self._past.holds.popleft().symbols)

    def _next_signals(self, named: SignalsTaken) -> Signals:
        line = self._recorded_signals.popleft() if self._recorded_signals else None
        message = line.message if line else None
        if (
            line is None
            or not isinstance(message, Signals)
            or (message.at, message.interval) != (named.at, named.interval)
        ):
            raise self._differs("the signals given to the desk", _text(message), _text(named))
        return message

    def _compare_outputs(self, output: Sequence[Any]) -> None:
        for message in output:
            if not isinstance(message, self._compared):
                continue
            self.counts["facts"] += 1
            line = self.expected_outputs.popleft() if self.expected_outputs else None
            recorded = line.message if line else None
            if _text(recorded) != _text(message) and not (line is not None and _is_as_recorded(line, message)):
                row = line.seq if line else self._row
                raise self._differs(_name(message), *_sides(recorded, message), row=row)

    def _differs(
        self, what: str, recorded: str, replayed: str, *, row: int | None = None, at: int | None = None
    ) -> _Differs:
        when = self.desk.account.conditions.now if at is None else at
        return _Differs(ReplayDifference(what, self._row if row is None else row, when, recorded, replayed))

    async def _closes_so_far(self) -> Sequence[BarBatch]:
        closes = self._recorded.closes
        return apply_repairs((closes[ends_at] for ends_at in sorted(closes)), self._past.repaired)


def with_current_names(signal: Signal) -> Signal:
    """Return a signal with old names of its inputs replaced by the present ones."""
    inputs = {ANCHORED_NAME.sub(r"\1", name): value for name, value in signal.inputs.items()}
    return signal if inputs.keys() == signal.inputs.keys() else msgspec.structs.replace(signal, inputs=inputs)


def _is_as_recorded(line: RecordedLine, message: Message) -> bool:
    return type(line.message) is type(message) and line.covers_message(message)


def _name(message: Message) -> str:
    match message:
        case OrderEvent():
            return f"order {message.order_id}"
        case Command():
            return f"the command {message.verb}"
        case TrailingStopPrices():
            return "what trailing stops saw"
    return "an incident"


def _sides(recorded: Message | None, replayed: Message | None) -> tuple[str, str]:
    # Of two messages of one type only the differing fields are shown, and those that identify the subject.
    if recorded is None or replayed is None or type(recorded) is not type(replayed):
        return _text(recorded), _text(replayed)
    names = names_on_disk(type(recorded))
    fields = [(names[name], getattr(recorded, name), getattr(replayed, name)) for name in recorded.__struct_fields__]
    differing = [(name, a, b) for name, a, b in fields if repr(a) != repr(b)]
    subject = "".join(f"{name}={a!r} " for name, a, b in fields if name in SUBJECT_FIELDS and repr(a) == repr(b))
    left, right = (" ".join(f"{entry[0]}={entry[side]!r}" for entry in differing) for side in (1, 2))
    return subject + left, subject + right


def _text(message: Message | None) -> str:
    # repr distinguishes 1.0 from 1.00 and treats NaN as equal to itself.
    return NOTHING if message is None else repr(message)
