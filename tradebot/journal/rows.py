"""What a journal row is and may hold: every kind with its message type, and the bytes of a body. Pure.

A body is JSON, so that any SQLite shell can read it: Decimals are strings and come back to the digit, the columns of a
close are base64 of little-endian integers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BAR_COLUMNS, SERIES_COLUMNS, Close, Ints, Series
from tradebot.domain.message import Message, names_on_disk
from tradebot.domain.messages import (
    Command,
    Frozen,
    Incident,
    LinkDown,
    LinkUp,
    Reconciled,
    SessionBegins,
    Signals,
    Trailing,
)
from tradebot.domain.order import OrderFact
from tradebot.errors import StateError
from tradebot.journal import older
from tradebot.journal.chain import link
from tradebot.journal.columns import Column, narrow, widen
from tradebot.journal.tape import Tape, pack, unpack

# Of the bodies, said by each run among its versions. 2: an INTENT names its reference price; 3: rows of trailing stops.
FORMAT = "3"


class Run(Message, frozen=True):
    """A run begins: what it trades, for which account, and what exactly it runs on."""

    run_id: str
    mode: str
    account: str
    symbols: tuple[str, ...] = ()
    venue: str = ""
    config_hash: str = ""
    versions: dict[str, str] = {}
    pid: int = 0


class Listing(Message, frozen=True):
    """The instruments of the run in the order that numbers them: `ids` of every close that follows count in it."""

    instruments: tuple[Instrument, ...]


class Terms(Message, frozen=True):
    """What the run decides by, so that a replay decides by the same.

    `strategies` are their specs with parameters and code, `limits` and `desk` the settings of gate and desk, `venue`
    what the desk knows of the venue, all as JSON values. `opens_at`, `halts` and `flattened` are what the desk took
    over from the runs before.
    """

    interval: int
    strategies: tuple[dict[str, Any], ...]
    limits: dict[str, Any]
    desk: dict[str, Any]
    venue: dict[str, Any]
    opens_at: int
    halts: tuple[Command, ...] = ()
    flattened: tuple[str, ...] = ()


class Warmup(Message, frozen=True):
    """The past bars that the strategies were warmed up with, of some symbols."""

    series: tuple[Series, ...]


class End(Message, frozen=True):
    """The run ended as it should; a journal whose last row is not this one was cut off.

    `summary` holds JSON values; a Decimal in it comes back as a string.
    """

    reason: str = ""
    summary: dict[str, Any] = {}


class _Link(Message, frozen=True):
    source: str
    mono: int
    reason: str | None = None  # None: the link came up


class _Close(Message, frozen=True):
    interval: int
    ends_at: int
    seen_at: int
    quoted_at: int
    columns: dict[str, Column]


class _Past(Message, frozen=True):
    symbol: str
    interval: int
    columns: dict[str, Column]


KINDS: dict[str, tuple[type[Message], ...]] = {
    "run": (Run,),
    "universe": (Listing,),
    "terms": (Terms,),
    "warmup": (Warmup,),
    "tape": (Tape,),
    "session": (SessionBegins,),
    "close": (Close,),
    "signals": (Signals,),
    "order": (OrderFact,),
    "link": (LinkUp, LinkDown),
    "reconciled": (Reconciled,),
    "halt": (Command,),
    "resume": (Command,),
    "flatten": (Command,),
    "incident": (Incident,),
    "trailing": (Trailing,),
    "frozen": (Frozen,),
    "end": (End,),
}

CELLS = (int, str, int, int, str, bytes, bytes, bytes)
COMMANDS = frozenset({"halt", "reduce", "resume", "flatten", "stop"})  # of any age
_encoder = msgspec.json.Encoder(decimal_format="string", enc_hook=older.to_words)
# Columns in code -> on disk.
CLOSE_COLUMNS = {name: names_on_disk(Close)[name] for name in BAR_COLUMNS}
PAST_COLUMNS = {name: names_on_disk(Series)[name] for name in SERIES_COLUMNS}
PACKED = {"close", "warmup", "tape", "link", "terms", *COMMANDS}  # their bodies are read in their own ways
_types = {kind: types[0] for kind, types in KINDS.items()} | older.KINDS
_decoders = {kind: msgspec.json.Decoder(type_) for kind, type_ in _types.items() if kind not in PACKED}
_lax_decoders = {
    kind: msgspec.json.Decoder(type_, strict=False) for kind, type_ in _types.items() if kind not in PACKED
}
_link_decoder = msgspec.json.Decoder(_Link)
_close_decoder = msgspec.json.Decoder(_Close)
_warmup_decoder = msgspec.json.Decoder(tuple[_Past, ...])


class Row(NamedTuple):
    """One row as it stands on disk; `at` is market ns, `wall` our wall clock's ns."""

    seq: int
    run: str
    at: int
    wall: int
    kind: str
    prev: bytes
    hash: bytes
    body: bytes

    @property
    def message(self) -> Message:
        """The message in the body. Raises StateError naming the row when it cannot be read."""
        try:
            return decode(self.kind, self.body)
        except StateError as error:
            raise StateError(f"row {self.seq}: {error}") from error

    @property
    def is_sound(self) -> bool:
        """True while the row's own hash is that of its content."""
        # A cell of SQLite may hold any type; one that is not ours was not written by us.
        return tuple(map(type, self)) == CELLS and self.hash == link(
            prev=self.prev, seq=self.seq, run=self.run, at=self.at, wall=self.wall, kind=self.kind, body=self.body
        )


def check_kind(kind: str, message: Message) -> None:
    """Raise AssertionError unless `message` is what rows of `kind` hold."""
    assert kind in KINDS, f"the journal knows no kind {kind!r}"
    assert isinstance(message, KINDS[kind]), f"a {kind!r} row cannot hold a {type(message).__name__}"


def encode(kind: str, message: Message) -> bytes:
    """Return the body of a row. Raises ValueError or TypeError for a message that is not of its kind's shape."""
    match message:
        case Close():
            return _encoder.encode(_packed(message))
        case Tape():
            return pack(message)
        case Warmup():
            return _encoder.encode([_past(series) for series in message.series])
        case LinkUp():
            return _encoder.encode(_Link(source=message.source, mono=message.mono))
        case OrderFact() | Signals() if not all(map(math.isfinite, _floats(message))):
            # JSON has no NaN and no infinity, msgspec writes null for them; here they become words.
            return _encoder.encode(_worded(msgspec.to_builtins(message)))
    return _encoder.encode(message)


def decode(kind: str, body: bytes) -> Message:
    """Return the message of a body. Raises StateError when it is not one of that kind."""
    try:
        if kind == "close":
            return _unpacked(_close_decoder.decode(body))
        if kind in COMMANDS:
            return older.command(body)
        if kind == "terms":
            return _terms(body)
        if kind == "tape":
            return unpack(body)
        if kind == "warmup":
            return Warmup(series=tuple(map(_series, _warmup_decoder.decode(body))))
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


def _packed(close: Close) -> _Close:
    return _Close(
        interval=close.interval,
        ends_at=close.ends_at,
        seen_at=close.seen_at,
        quoted_at=close.quoted_at,
        columns={on_disk: narrow(getattr(close, name)) for name, on_disk in CLOSE_COLUMNS.items()},
    )


def _unpacked(packed: _Close) -> Close:
    columns = _columns(packed.columns, CLOSE_COLUMNS)
    return Close(
        interval=packed.interval,
        ends_at=packed.ends_at,
        seen_at=packed.seen_at,
        quoted_at=packed.quoted_at,
        **columns,
    )


def _terms(body: bytes) -> Terms:
    raw = msgspec.json.decode(body)
    if isinstance(raw, dict):
        raw["halts"] = older.commands(raw.get("halts", []))
    return msgspec.convert(raw, Terms, dec_hook=older.from_words)


def _past(series: Series) -> _Past:
    columns = {on_disk: narrow(getattr(series, name)) for name, on_disk in PAST_COLUMNS.items()}
    return _Past(symbol=series.symbol, interval=series.interval, columns=columns)


def _series(packed: _Past) -> Series:
    return Series(symbol=packed.symbol, interval=packed.interval, **_columns(packed.columns, PAST_COLUMNS))


def _columns(packed: dict[str, Column], names: Mapping[str, str]) -> dict[str, Ints]:
    if missing := [on_disk for on_disk in names.values() if on_disk not in packed]:
        raise ValueError(f"the columns {', '.join(missing)} are missing")
    columns = {name: widen(packed[on_disk]) for name, on_disk in names.items()}
    if len({len(column) for column in columns.values()}) != 1:
        raise ValueError("the columns differ in length")
    return columns


def _floats(message: OrderFact | Signals) -> Iterator[float]:
    if isinstance(message, OrderFact):
        yield from message.inputs.values()
        return
    for signal in message.signals:
        yield signal.close
        yield from (v for v in (signal.quantity, signal.stop_loss, signal.trail_by, signal.target) if v is not None)
        yield from signal.inputs.values()


def _worded(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return repr(value)
        case dict():
            return {key: _worded(v) for key, v in value.items()}
        case list() | tuple():
            return [_worded(v) for v in value]
    return value
