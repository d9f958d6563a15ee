"""A recorded run, read from the journal for a replay: the inputs of strategies and desk, and their outputs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tradebot.domain.instrument import Universe
from tradebot.domain.market import BarBatch, BarSeries
from tradebot.domain.message import Message
from tradebot.domain.messages import Command, Incident, Signals, TrailingStopPrices
from tradebot.domain.order import OrderEvent, OrderEventType
from tradebot.errors import DataError, StateError
from tradebot.journal.input_log import sent_order_ids
from tradebot.journal.reader import read_rows
from tradebot.journal.recovery import RecoveredAccount, recover_state
from tradebot.journal.rows import (
    InstrumentList,
    JournalRow,
    RunEnd,
    RunRecord,
    RunSettings,
    StrategiesChanged,
    StrategiesRebuilt,
    SymbolsHeld,
    WarmupBars,
    WarmupJoin,
    encode_body,
)
from tradebot.journal.schema import FILE_NAME

COMMANDS = ("halt", "reduce", "resume", "flatten")
PASSED_SUFFIX = ": ok"  # the end of a control's line when it lets an order pass
OUTPUT_KINDS = ("order", "incident", "trailing", *COMMANDS)


class RecordedLine(NamedTuple):
    """A message with the seq, the kind and the body of its row."""

    seq: int
    message: Message
    kind: str = ""
    body: bytes = b""

    def covers_message(self, message: Message) -> bool:
        """Return whether `message` equals the recorded one in all fields of its row; older rows lack newer fields."""
        return bool(self.body) and _covers(json.loads(encode_body(self.kind, message)), json.loads(self.body))


class RecordedRun(NamedTuple):
    """One recorded run.

    `before` is the recovered account it started with. `outputs` are the messages of its desk in order, the
    events `before.closing_events` first. `input_rows` are the rows of its input log, still packed, because a day of
    quotes would fill the memory. `warmup` has the past bars of all symbols, and `joins` says which joined late;
    `rebuilds` are the rows after which the strategies' state was computed again, in order: over the bars that were
    repaired, which come with their row, or with other parameters. `holds` say which symbols gave no signals during a
    repair. A run of an older version has fewer of these rows. `has_ended` is False when the run was cut off.
    """

    run: RunRecord
    universe: Universe
    terms: RunSettings
    before: RecoveredAccount
    warmup: tuple[BarSeries, ...]
    closes: dict[int, BarBatch]  # end of the bars, market ns -> their batch, of the run's interval only
    signals: tuple[RecordedLine, ...]
    outputs: tuple[RecordedLine, ...]
    input_rows: tuple[JournalRow, ...]
    has_ended: bool
    joins: tuple[WarmupJoin, ...] = ()
    rebuilds: tuple[tuple[StrategiesRebuilt | StrategiesChanged, tuple[BarBatch, ...]], ...] = ()
    holds: tuple[SymbolsHeld, ...] = ()

    @property
    def waiting(self) -> frozenset[str]:
        """Return the symbols that the strategies of the run began without."""
        return frozenset(self.joins[0].waiting) if self.joins else frozenset()


def journal_path(path: Path) -> Path:
    """Return the journal file that a path names: the file itself, or the one in a state directory."""
    return path / FILE_NAME if path.is_dir() else path


def list_runs(path: Path) -> Iterator[tuple[int, RunRecord]]:
    """Yield (seq, run) of every run, oldest first. Raises StateError."""
    for row in read_rows(path, kinds=("run",)):
        message = row.message
        assert isinstance(message, RunRecord)
        yield row.seq, message


def replayable_runs(path: Path) -> list[str]:
    """Return the ids of the runs that kept an input log, oldest first. Raises StateError."""
    return list(dict.fromkeys(row.run for row in read_rows(path, kinds=("tape",))))


def read_run(path: Path, run_id: str | None = None) -> RecordedRun:
    """Read a run, by default the last one.

    Raises DataError when there is no such run or it kept no input log, StateError when the journal is damaged.
    """
    runs = list(list_runs(path))
    found = [(seq, run) for seq, run in runs if run_id is None or run.run_id == run_id]
    if not found:
        names = ", ".join(run.run_id for _, run in runs[-5:]) or "none"
        raise DataError(f"{path}: there is no run {run_id or ''} to replay; the last ones are {names}")
    first, run = found[-1]
    account = recover_state(path, until=first).recovered_account(run.account)
    return _gathered(path, run, account)


def _gathered(path: Path, run: RunRecord, before: RecoveredAccount) -> RecordedRun:
    universe, terms, has_ended = Universe(()), None, False
    warmup: list[BarSeries] = []
    joins: list[WarmupJoin] = []
    repaired: list[BarBatch] = []  # since the last row `rebuilt`
    rebuilds: list[tuple[StrategiesRebuilt | StrategiesChanged, tuple[BarBatch, ...]]] = []
    holds: list[SymbolsHeld] = []
    batches: dict[int, BarBatch] = {}
    signals, outputs, tapes = list[RecordedLine](), list[RecordedLine](), list[JournalRow]()
    for row in read_rows(path, run=run.run_id):
        if row.kind == "tape":
            tapes.append(row)
            continue
        match message := row.message:
            case InstrumentList():
                universe = Universe(message.instruments)
            case RunSettings():
                terms = message
            case WarmupBars():
                warmup += message.series
            case WarmupJoin():
                joins.append(message)
            case StrategiesRebuilt() | StrategiesChanged():
                rebuilds.append((message, tuple(repaired)))
                repaired = []
            case SymbolsHeld():
                holds.append(message)
            case BarBatch() if row.kind == "repaired":
                repaired.append(message)
            case BarBatch() if terms is not None and message.interval == terms.interval:
                batches[message.ends_at] = message
            case Signals():
                signals.append(RecordedLine(row.seq, message))
            case RunEnd():
                has_ended = True
            case _ if _is_output(row, message):
                outputs.append(RecordedLine(row.seq, message, row.kind, row.body))
    if terms is None or not tapes:
        version = run.versions.get("tradebot", "")
        raise DataError(
            f"{path}: run {run.run_id} of tradebot {version} kept no tape to replay: it is older than that, was ended"
            " in its first seconds, or ran with journal.record_inputs = false"
        )
    said = _desk_outputs(outputs, tapes)
    return RecordedRun(
        run,
        universe,
        terms,
        before,
        tuple(warmup),
        batches,
        tuple(signals),
        said,
        tuple(tapes),
        has_ended,
        tuple(joins),
        tuple(rebuilds),
        tuple(holds),
    )


def _covers(new: Any, old: Any) -> bool:
    match new, old:
        case dict(), dict():
            return all(
                key in new and (_covers_checks if key == "checks" else _covers)(new[key], value)
                for key, value in old.items()
            )
        case list(), list():
            return len(new) == len(old) and all(map(_covers, new, old))
    return bool(new == old)


def _covers_checks(new: Sequence[str], old: Sequence[str]) -> bool:
    # The gate may have newer controls; where they let the order pass, the decision is the same.
    recorded = {line.partition(":")[0] for line in old}
    return [line for line in new if line.partition(":")[0] in recorded or not line.endswith(PASSED_SUFFIX)] == list(old)


def _is_output(row: JournalRow, message: Message) -> bool:
    return isinstance(message, OrderEvent | Command | Incident | TrailingStopPrices) and row.kind in OUTPUT_KINDS


def _desk_outputs(outputs: Sequence[RecordedLine], tapes: Sequence[JournalRow]) -> tuple[RecordedLine, ...]:
    # The order sender writes SENDING itself, before the first byte leaves, and then reports it to the desk, so the
    # input log has it. The desk writes SENDING only for an external order.
    sent: set[str] = set()
    for row in tapes:
        try:
            sent |= sent_order_ids(row.body)
        except (msgspec.DecodeError, ValueError) as error:
            raise StateError(f"row {row.seq} is a tape that cannot be read: {error}") from error
    return tuple(
        line
        for line in outputs
        if not isinstance(line.message, OrderEvent)
        or line.message.type is not OrderEventType.SENDING
        or line.message.order_id not in sent
    )
