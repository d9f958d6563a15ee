"""The input log: all inputs of the desk in order, so that a replay can give it the same inputs. Pure encoding.

Clock ticks and quotes are stored in columns, all other messages as JSON. All quotes are logged for symbols in which the
desk has a position or working orders. For another symbol only the newest quote is logged, before a message about it.
The desk's decisions use no other quotes. This takes some hundred bytes a second, where the whole stream would take far
more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import numpy as np

from tradebot.domain.market import Ints, Quotes
from tradebot.domain.message import Message, names_on_disk
from tradebot.domain.messages import (
    AccountSnapshot,
    BrokerSession,
    ClockOffset,
    ClockTick,
    Command,
    DiskSpaceState,
    FillReport,
    FrozenSymbols,
    LimitsReloaded,
    LinkDown,
    LinkUp,
    OrderReport,
    RequestResult,
    SessionBegins,
    Signals,
)
from tradebot.domain.order import OrderEventType
from tradebot.domain.wire_names import class_on_disk, renamed
from tradebot.journal import legacy_rows
from tradebot.journal.column_codec import Column, decode_column, decode_deltas, encode_column, encode_deltas


class InputQuotes(Message, frozen=True, eq=False):
    """The newest quotes of some symbols, as the desk knew them; columns of shape (n,), units as in `Quotes`."""

    ids: Ints
    seen_at: Ints
    last: Ints
    bid: Ints
    ask: Ints


class StartSnapshot(Message, frozen=True, rename=renamed("input_log.StartSnapshot")):
    """The account snapshot with which the desk was reconciled at the start."""

    snapshot: AccountSnapshot


class UnchangedSnapshot(Message, frozen=True):
    """The account snapshot was equal to the previous one, except for `asked_at` (monotonic ns)."""

    asked_at: int


class SignalsTaken(Message, frozen=True):
    """The desk took the signals of this close (`at` in market ns, `interval` in ns); they are a row of their own."""

    at: int
    interval: int


class StrategiesStepped(Message, frozen=True, rename=renamed("input_log.StrategiesStepped")):
    """The strategies got the bars that end at `ends_at` (market ns), and these holdings.

    Holdings are symbol -> (signed quantity, average price).
    """

    ends_at: int
    holdings: dict[str, tuple[Decimal, Decimal]] = {}


class HaltFileSeen(Message, frozen=True):
    """Since the previous message the gate sees this reason from the HALT file, empty when there is no file."""

    reason: str


class InputEntry(NamedTuple):
    """One message, with the monotonic ns that the desk had before it."""

    mono: int
    message: Message


class InputLogBatch(Message, frozen=True, eq=False):
    """Some inputs, in the order in which the desk took them.

    `state` is the hash of the desk's state after the last input, empty where orders and positions have not changed
    since the previous hash.
    """

    entries: tuple[InputEntry, ...]
    state: str = ""


MESSAGE_TYPES: dict[str, type[Message]] = {
    class_on_disk(kind): kind
    for kind in (
        StartSnapshot,
        AccountSnapshot,
        BrokerSession,
        UnchangedSnapshot,
        ClockOffset,
        Command,
        FillReport,
        FrozenSymbols,
        HaltFileSeen,
        LimitsReloaded,
        LinkDown,
        LinkUp,
        OrderReport,
        RequestResult,
        SessionBegins,
        SignalsTaken,
        DiskSpaceState,
        StrategiesStepped,
    )
}
MESSAGE_NAMES = {kind: name for name, kind in MESSAGE_TYPES.items()}
# One letter for each entry, in `_PackedInputs.order`.
_TICK, _QUOTES, _MARKS, _OTHER = "tqkm"
QUOTE_FIELDS = ("ids", "last", "bid", "ask")  # names on disk
FRAME_FIELDS, INPUT_QUOTE_FIELDS = (
    {on_disk: name for name, on_disk in names_on_disk(kind).items()} for kind in (Quotes, InputQuotes)
)


class _PackedInputs(Message, frozen=True):
    order: str  # one letter for each entry
    columns: dict[str, Column]
    messages: tuple[tuple[str, msgspec.Raw], ...]
    sources: tuple[str, ...] = ()  # the sources of the quotes
    state: str = ""


_encoder = msgspec.json.Encoder(decimal_format="string", enc_hook=legacy_rows.encode_scope)
_decoder = msgspec.json.Decoder(_PackedInputs)
_decoders = {name: msgspec.json.Decoder(kind) for name, kind in MESSAGE_TYPES.items() if kind is not Command}


def pack_inputs(batch: InputLogBatch) -> bytes:
    """Return the body of a row. Raises TypeError for a message that cannot be in the input log."""
    ticks, frames, marks, others, letters = [], [], [], [], []
    for _, message in batch.entries:
        match message:
            case ClockTick():
                letters.append(_TICK)
                ticks.append(message)
            case Quotes():
                letters.append(_QUOTES)
                frames.append(message)
            case InputQuotes():
                letters.append(_MARKS)
                marks.append(message)
            case Signals():
                letters.append(_OTHER)
                others.append(_raw(SignalsTaken(at=message.at, interval=message.interval)))
            case _:
                letters.append(_OTHER)
                others.append(_raw(message))
    columns = {
        "mono": encode_deltas(_ints([mono for mono, _ in batch.entries])),
        "tick_at": encode_deltas(_ints([tick.at for tick in ticks])),
        "tick_mono": encode_deltas(_ints([tick.mono for tick in ticks])),
        "frame_rows": encode_column(_ints([len(frame) for frame in frames])),
        "frame_seen_at": encode_deltas(_ints([frame.seen_at for frame in frames])),
        "mark_rows": encode_column(_ints([len(mark.ids) for mark in marks])),
        "mark_seen_at": encode_deltas(_joined([mark.seen_at for mark in marks])),
    }
    sources = sorted({frame.source for frame in frames})
    columns["frame_source"] = encode_column(_ints([sources.index(frame.source) for frame in frames]))
    for kind, rows, named in (("frame", frames, FRAME_FIELDS), ("mark", marks, INPUT_QUOTE_FIELDS)):
        ids, last, bid, ask = (_joined([getattr(row, named[name]) for row in rows]) for name in QUOTE_FIELDS)
        for name, column in (("ids", ids), ("last", last), ("bid", bid - last), ("ask", ask - last)):
            columns[f"{kind}_{name}"] = encode_column(column)
    return _encoder.encode(
        _PackedInputs(
            order="".join(letters),
            columns=columns,
            messages=tuple(others),
            sources=tuple(sources),
            state=batch.state,
        )
    )


def unpack_inputs(body: bytes) -> InputLogBatch:
    """Return the inputs in the body of a row. Raises ValueError or a decode error for any other body."""
    packed = _decoder.decode(body)
    columns = packed.columns
    # Each kind is stored apart, in order. `order` says of which kind the next entry is.
    monos = decode_deltas(columns["mono"])
    readers = {
        _TICK: _ticks(columns),
        _QUOTES: _frames(columns, packed.sources),
        _MARKS: _marks(columns),
        _OTHER: (_message(name, raw) for name, raw in packed.messages),
    }
    if len(monos) != len(packed.order) or set(packed.order) - set(readers):
        raise ValueError("the columns of a tape differ in length")
    entries = tuple(
        InputEntry(mono, next(readers[letter])) for letter, mono in zip(packed.order, monos.tolist(), strict=True)
    )
    return InputLogBatch(entries=entries, state=packed.state)


def sent_order_ids(body: bytes) -> set[str]:
    """Return the ids of the orders with a SENDING event among the inputs, without decoding the rest."""
    packed = _decoder.decode(body)
    outcomes = [_message(name, raw) for name, raw in packed.messages if MESSAGE_TYPES.get(name) is RequestResult]
    return {
        o.event.order_id for o in outcomes if isinstance(o, RequestResult) and o.event.type is OrderEventType.SENDING
    }


def _raw(message: Message) -> tuple[str, msgspec.Raw]:
    name = MESSAGE_NAMES.get(type(message))
    if name is None:
        raise TypeError(f"no tape holds a {type(message).__name__}")
    return name, msgspec.Raw(_encoder.encode(message))


def _message(name: str, raw: msgspec.Raw) -> Message:
    if MESSAGE_TYPES.get(name) is Command:
        return legacy_rows.decode_command(bytes(raw))
    if name not in _decoders:
        raise ValueError(f"a tape holds a message of the unknown kind {name!r}")
    return _decoders[name].decode(raw)


def _ticks(columns: dict[str, Column]) -> Iterator[Message]:
    for at, mono in zip(
        decode_deltas(columns["tick_at"]).tolist(), decode_deltas(columns["tick_mono"]).tolist(), strict=True
    ):
        yield ClockTick(at=at, mono=mono)


def _frames(columns: dict[str, Column], sources: Sequence[str]) -> Iterator[Message]:
    counts, seen = decode_column(columns["frame_rows"]).tolist(), decode_deltas(columns["frame_seen_at"]).tolist()
    from_ = decode_column(columns["frame_source"]).tolist()
    table, first = _rows(columns, "frame"), 0
    for count, seen_at, source in zip(counts, seen, from_, strict=True):
        part = {FRAME_FIELDS[name]: column[first : first + count] for name, column in table.items()}
        zeros = np.zeros(count, dtype=np.int64)  # columns that the desk does not read
        yield Quotes(
            source=sources[source], seen_at=seen_at, sent_at=zeros, volume=zeros, bid_size=zeros, ask_size=zeros, **part
        )
        first += count


def _marks(columns: dict[str, Column]) -> Iterator[Message]:
    table, first = _rows(columns, "mark") | {"seen_at": decode_deltas(columns["mark_seen_at"])}, 0
    for count in decode_column(columns["mark_rows"]).tolist():
        yield InputQuotes(**{INPUT_QUOTE_FIELDS[name]: column[first : first + count] for name, column in table.items()})
        first += count


def _rows(columns: dict[str, Column], kind: str) -> dict[str, Ints]:
    table = {name: decode_column(columns[f"{kind}_{name}"]) for name in QUOTE_FIELDS}
    return table | {name: table[name] + table["last"] for name in ("bid", "ask")}


def _ints(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int64)


def _joined(columns: Sequence[Any]) -> Ints:
    return np.concatenate(columns) if columns else np.empty(0, dtype=np.int64)
