"""The rows of the journal: every kind with its message type, and the encoding of bodies. Pure.

A body is JSON, so that any SQLite shell can read it. Decimals are strings and stay exact; the columns of a batch of
bars are base64 of little-endian integers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BAR_COLUMNS, SERIES_COLUMNS, BarBatch, BarSeries, Ints
from tradebot.domain.message import Message, names_on_disk
from tradebot.domain.messages import (
    Command,
    FrozenSymbols,
    Incident,
    LimitsReloaded,
    LinkDown,
    LinkUp,
    ReconciliationResult,
    SessionBegins,
    Signals,
    TrailingStopPrices,
)
from tradebot.domain.order import OrderEvent
from tradebot.errors import StateError
from tradebot.journal import legacy_rows
from tradebot.journal.chain import chain_hash
from tradebot.journal.column_codec import Column, decode_column, encode_column
from tradebot.journal.input_log import InputLogBatch, pack_inputs, unpack_inputs

# Version of the bodies, recorded by each run. 2: an INTENT has its reference price; 3: rows of trailing stops; 4: the
# state counts charges of symbols that only earlier runs named.
BODY_FORMAT = "4"


class RunRecord(Message, frozen=True):
    """The start of a run: its symbols, account and venue, and the exact versions and settings it runs with."""

    run_id: str
    mode: str
    account: str
    symbols: tuple[str, ...] = ()
    venue: str = ""
    config_hash: str = ""
    versions: dict[str, str] = {}
    pid: int = 0


class InstrumentList(Message, frozen=True):
    """The instruments of the run in order; the `ids` of all later bars are positions in this list."""

    instruments: tuple[Instrument, ...]


class RunSettings(Message, frozen=True):
    """The settings on which the run's decisions depend, so that a replay can use the same.

    `strategies` are the specs with parameters and code, `limits` and `desk` the settings of gate and desk, `venue` the
    venue's properties that the desk uses, all as JSON values. `interval` is in ns. The desk took over `opens_at`
    (market ns), `halts` and `flattened` (ids of flattens) from earlier runs.
    """

    interval: int
    strategies: tuple[dict[str, Any], ...]
    limits: dict[str, Any]
    desk: dict[str, Any]
    venue: dict[str, Any]
    opens_at: int
    halts: tuple[Command, ...] = ()
    flattened: tuple[str, ...] = ()


class WarmupBars(Message, frozen=True):
    """The bars that the strategies were warmed up with, for some of the symbols."""

    series: tuple[BarSeries, ...]


class WarmupJoin(Message, frozen=True):
    """Symbols that joined the strategies after the close that ended at `after` (market ns), 0 before the first one.

    They joined with the bars that the run recorded for them until then. The first such row of a run lets none join and
    says who is `waiting`. A run whose strategies were all warmed up before the first close has no such row.
    """

    after: int
    symbols: tuple[str, ...]
    waiting: tuple[str, ...] = ()


class StrategiesRebuilt(Message, frozen=True):
    """After the close that ended at `after` (market ns) the strategies' state was computed again.

    It was computed over the closes until then with the repaired bars, `bars` of them since the last time.
    """

    after: int
    bars: int


class StrategiesChanged(Message, frozen=True):
    """After the close that ended at `after` (market ns), 0 before the first one, strategies got other parameters.

    `params` holds all parameters in force from then on, by the name of the strategy. The strategies' state was computed
    again with them, over the warm-up and the closes until then.
    """

    after: int
    params: dict[str, dict[str, Any]]


class SymbolsHeld(Message, frozen=True):
    """After the close that ended at `after` (market ns) the `symbols` give no signals, and all others do.

    Bars of these symbols are being repaired. It holds until the next such row; one that names none lets all give
    signals again.
    """

    after: int
    symbols: tuple[str, ...]


class RunEnd(Message, frozen=True):
    """The proper end of a run. When the last row of a journal is of another kind, the run crashed.

    `summary` holds JSON values; a Decimal in it is read back as a string.
    """

    reason: str = ""
    summary: dict[str, Any] = {}


class _LinkRow(Message, frozen=True):
    source: str
    mono: int
    reason: str | None = None  # None when the link came up


class _PackedBatch(Message, frozen=True):
    interval: int
    ends_at: int
    seen_at: int
    quoted_at: int
    columns: dict[str, Column]


class _PackedSeries(Message, frozen=True):
    symbol: str
    interval: int
    columns: dict[str, Column]


ROW_KINDS: dict[str, tuple[type[Message], ...]] = {
    "run": (RunRecord,),
    "universe": (InstrumentList,),
    "terms": (RunSettings,),
    "warmup": (WarmupBars,),
    "joined": (WarmupJoin,),
    "tape": (InputLogBatch,),
    "session": (SessionBegins,),
    "close": (BarBatch,),
    "repaired": (BarBatch,),
    "rebuilt": (StrategiesRebuilt,),
    "strategies": (StrategiesChanged,),
    "held": (SymbolsHeld,),
    "limits": (LimitsReloaded,),
    "signals": (Signals,),
    "order": (OrderEvent,),
    "link": (LinkUp, LinkDown),
    "reconciled": (ReconciliationResult,),
    "halt": (Command,),
    "resume": (Command,),
    "flatten": (Command,),
    "incident": (Incident,),
    "trailing": (TrailingStopPrices,),
    "frozen": (FrozenSymbols,),
    "end": (RunEnd,),
}

CELL_TYPES = (int, str, int, int, str, bytes, bytes, bytes)
COMMAND_KINDS = frozenset({"halt", "reduce", "resume", "flatten", "stop"})  # in journals of any version
_encoder = msgspec.json.Encoder(decimal_format="string", enc_hook=legacy_rows.encode_scope)
# column in code -> column on disk
BATCH_COLUMNS_ON_DISK = {name: names_on_disk(BarBatch)[name] for name in BAR_COLUMNS}
SERIES_COLUMNS_ON_DISK = {name: names_on_disk(BarSeries)[name] for name in SERIES_COLUMNS}
# Kinds whose bodies have decoders of their own.
PACKED_KINDS = {"close", "repaired", "warmup", "tape", "link", "terms", *COMMAND_KINDS}
_types = {kind: types[0] for kind, types in ROW_KINDS.items()} | legacy_rows.LEGACY_KINDS
_decoders = {kind: msgspec.json.Decoder(type_) for kind, type_ in _types.items() if kind not in PACKED_KINDS}
_lax_decoders = {
    kind: msgspec.json.Decoder(type_, strict=False) for kind, type_ in _types.items() if kind not in PACKED_KINDS
}
_link_decoder = msgspec.json.Decoder(_LinkRow)
_close_decoder = msgspec.json.Decoder(_PackedBatch)
_warmup_decoder = msgspec.json.Decoder(tuple[_PackedSeries, ...])


class JournalRow(NamedTuple):
    """One row as it is on disk; `at` is market ns, `wall_at` the ns of our wall clock."""

    seq: int
    run: str
    at: int
    wall_at: int
    kind: str
    prev: bytes
    hash: bytes
    body: bytes

    @property
    def message(self) -> Message:
        """Return the message in the body. Raises StateError naming the row when it cannot be read."""
        try:
            return decode_body(self.kind, self.body)
        except StateError as error:
            raise StateError(f"row {self.seq}: {error}") from error

    @property
    def has_valid_hash(self) -> bool:
        """Return True when the row's hash matches its content."""
        # A cell of SQLite may hold any type. One with another type than we write was changed by another program.
        return tuple(map(type, self)) == CELL_TYPES and self.hash == chain_hash(
            prev=self.prev, seq=self.seq, run=self.run, at=self.at, wall=self.wall_at, kind=self.kind, body=self.body
        )


def check_kind(kind: str, message: Message) -> None:
    """Raise AssertionError unless rows of `kind` hold messages of this type."""
    assert kind in ROW_KINDS, f"the journal knows no kind {kind!r}"
    assert isinstance(message, ROW_KINDS[kind]), f"a {kind!r} row cannot hold a {type(message).__name__}"


def encode_body(kind: str, message: Message) -> bytes:
    """Return the body of a row. Raises ValueError or TypeError for a message that does not fit its kind."""
    match message:
        case BarBatch():
            return _encoder.encode(_packed(message))
        case InputLogBatch():
            return pack_inputs(message)
        case WarmupBars():
            return _encoder.encode([_packed_series(series) for series in message.series])
        case LinkUp():
            return _encoder.encode(_LinkRow(source=message.source, mono=message.mono))
        case OrderEvent() | Signals() if not all(map(math.isfinite, _floats(message))):
            # JSON has no NaN and no infinity, for which msgspec writes null. Here they become strings.
            return _encoder.encode(_with_words_for_nan(msgspec.to_builtins(message)))
    return _encoder.encode(message)


def decode_body(kind: str, body: bytes) -> Message:
    """Return the message in a body. Raises StateError when it is not of that kind."""
    try:
        if kind in ("close", "repaired"):
            return _unpacked(_close_decoder.decode(body))
        if kind in COMMAND_KINDS:
            return legacy_rows.decode_command(body)
        if kind == "terms":
            return _terms(body)
        if kind == "tape":
            return unpack_inputs(body)
        if kind == "warmup":
            return WarmupBars(series=tuple(map(_series, _warmup_decoder.decode(body))))
        if kind == "link":
            link = _link_decoder.decode(body)
            if link.reason is None:
                return LinkUp(source=link.source, mono=link.mono)
            return LinkDown(source=link.source, mono=link.mono, reason=link.reason)
        if kind not in _decoders:
            raise StateError(f"the journal holds a row of the unknown kind {kind!r}")
        read: Message
        try:
            read = _decoders[kind].decode(body)
        except msgspec.ValidationError:
            read = _lax_decoders[kind].decode(body)
        return read
    except (msgspec.DecodeError, ValueError, KeyError, StopIteration) as error:
        raise StateError(f"the journal holds a {kind!r} row that cannot be read: {error}") from error


def _packed(batch: BarBatch) -> _PackedBatch:
    return _PackedBatch(
        interval=batch.interval,
        ends_at=batch.ends_at,
        seen_at=batch.seen_at,
        quoted_at=batch.quoted_at,
        columns={on_disk: encode_column(getattr(batch, name)) for name, on_disk in BATCH_COLUMNS_ON_DISK.items()},
    )


def _unpacked(packed: _PackedBatch) -> BarBatch:
    columns = _columns(packed.columns, BATCH_COLUMNS_ON_DISK)
    return BarBatch(
        interval=packed.interval,
        ends_at=packed.ends_at,
        seen_at=packed.seen_at,
        quoted_at=packed.quoted_at,
        **columns,
    )


def _terms(body: bytes) -> RunSettings:
    raw = msgspec.json.decode(body)
    if isinstance(raw, dict):
        raw["halts"] = legacy_rows.upgrade_commands(raw.get("halts", []))
    return msgspec.convert(raw, RunSettings, dec_hook=legacy_rows.decode_scope)


def _packed_series(series: BarSeries) -> _PackedSeries:
    columns = {on_disk: encode_column(getattr(series, name)) for name, on_disk in SERIES_COLUMNS_ON_DISK.items()}
    return _PackedSeries(symbol=series.symbol, interval=series.interval, columns=columns)


def _series(packed: _PackedSeries) -> BarSeries:
    return BarSeries(symbol=packed.symbol, interval=packed.interval, **_columns(packed.columns, SERIES_COLUMNS_ON_DISK))


def _columns(packed: dict[str, Column], names: Mapping[str, str]) -> dict[str, Ints]:
    if missing := [on_disk for on_disk in names.values() if on_disk not in packed]:
        raise ValueError(f"the columns {', '.join(missing)} are missing")
    columns = {name: decode_column(packed[on_disk]) for name, on_disk in names.items()}
    if len({len(column) for column in columns.values()}) != 1:
        raise ValueError("the columns differ in length")
    return columns


def _floats(message: OrderEvent | Signals) -> Iterator[float]:
    if isinstance(message, OrderEvent):
        yield from message.inputs.values()
        return
    for signal in message.signals:
        yield signal.close
        yield from (v for v in (signal.quantity, signal.stop_loss, signal.trail_by, signal.target) if v is not None)
        yield from signal.inputs.values()


def _with_words_for_nan(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return repr(value)
        case dict():
            return {key: _with_words_for_nan(v) for key, v in value.items()}
        case list() | tuple():
            return [_with_words_for_nan(v) for v in value]
    return value
