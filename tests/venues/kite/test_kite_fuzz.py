"""Two hundred thousand spoiled answers of the venue: whatever the bytes, a value that is sound or a WireError.

Sound texts and frames are cut, spliced, flipped and salted with what JSON allows and money does not. In a book one row
is spoiled as well: whatever becomes of it, the others are read. TRADEBOT_FUZZ=n: n inputs. The seed is fixed; a failure
names the input.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest

from tradebot.clock import SECOND, parse_iso
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import QUOTE_COLUMNS, BarSeries, Quotes
from tradebot.domain.venue_rows import VenueRows
from tradebot.errors import OutcomeUnknown
from tradebot.venues.kite.responses import classify_response, reply_of_write
from tradebot.venues.kite.wire import (
    FrameCounts,
    TokenTable,
    WireError,
    decode_json,
    parse_candles,
    parse_frame,
    parse_instruments,
    parse_margins,
    parse_orders,
    parse_positions,
    parse_profile,
    parse_quotes,
    parse_text,
    parse_trades,
    parse_underlyings,
)

INPUTS = int(os.environ.get("TRADEBOT_FUZZ", "200000"))
INFY = Instrument(symbol="INFY", token=408065)
UNIVERSE = Universe([INFY, Instrument(symbol="TCS", token=2953217)])
TABLE = TokenTable(UNIVERSE)
START, END = parse_iso("2017-12-15T09:15:00+05:30"), parse_iso("2017-12-15T15:30:00+05:30")
ORDER = {
    "order_id": "300000000000000", "status": "COMPLETE", "exchange": "NSE", "tradingsymbol": "IOC",
    "order_type": "LIMIT", "transaction_type": "BUY", "product": "CNC", "quantity": 1, "price": 109.4,
    "trigger_price": 0, "average_price": 109.35, "filled_quantity": 1, "tag": "abc123", "status_message": None,
    "order_timestamp": "2021-05-31 15:20:28", "exchange_update_timestamp": "2021-05-31 15:20:29",
    "exchange_timestamp": None,
}  # fmt: skip
TRADE = {
    "trade_id": "10000000", "order_id": "200000000000000", "exchange": "NSE", "tradingsymbol": "SBIN",
    "product": "CNC", "average_price": 420.65, "quantity": 1, "transaction_type": "BUY",
    "fill_timestamp": "2021-05-31 09:16:39", "exchange_timestamp": "2021-05-31 09:16:39",
}  # fmt: skip
POSITION = {"tradingsymbol": "INFY", "exchange": "NSE", "product": "MIS", "quantity": -3, "average_price": 1412.95}
QUOTE = {
    "instrument_token": 408065, "timestamp": "2021-06-08 15:45:56", "last_price": 1412.95, "volume": 7360198,
    "depth": {"buy": [{"price": 1412.95, "quantity": 5191, "orders": 13}], "sell": []},
}  # fmt: skip
CSV = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,"
    "segment,exchange\n408065,1594,INFY,INFOSYS,0.0,,0.0,0.05,1,EQ,NSE,NSE\n"
)


def envelope(data: Any) -> bytes:
    return json.dumps({"status": "success", "data": data}).encode()


def of_data(parse: Callable[[Any], Any]) -> Callable[[bytes], Any]:
    def read(body: bytes) -> Any:
        answer = classify_response(200, body)
        return parse(answer.data) if answer.data is not None else None

    return read


def reply(body: bytes) -> Any:
    try:
        return reply_of_write(classify_response(200 if body[-1:] == b"}" else 400, body), "151220000000000")
    except OutcomeUnknown:
        return None


def frame(body: bytes) -> Quotes | None:
    return parse_frame(body, TABLE, seen_at=1, now=2, counts=FrameCounts())


LTP = struct.pack(">HH", 2, 8) + struct.pack(">Ii", 408065, 157315) + struct.pack(">HIi", 8, 2953217, 321000)
FULL = struct.pack(">HH", 1, 184) + struct.pack(">Ii", 408065, 157315) + bytes(range(176))
# name -> (what reads it, a sound input)
READERS: dict[str, tuple[Callable[[bytes], Any], bytes]] = {
    "orders": (of_data(parse_orders), envelope([ORDER, ORDER | {"status": "OPEN", "filled_quantity": 0}])),
    "trades": (of_data(parse_trades), envelope([TRADE])),
    "positions": (of_data(parse_positions), envelope({"net": [POSITION], "day": []})),
    "margins": (of_data(parse_margins), envelope({"equity": {"enabled": True, "net": 99725.05}})),
    "profile": (of_data(parse_profile), envelope({"user_id": "AB1234"})),
    "quotes": (of_data(lambda data: parse_quotes(data, UNIVERSE, seen_at=1)), envelope({"NSE:INFY": QUOTE})),
    "candles": (
        of_data(lambda data: parse_candles(data, INFY, interval=60 * SECOND, start=START, end=END)),
        envelope({"candles": [["2017-12-15T09:15:00+0530", 1704.5, 1705, 1699.25, 1702.8, 2499]]}),
    ),
    "instruments": (lambda body: parse_instruments(body.decode()), CSV.encode()),
    "stream text": (parse_text, json.dumps({"type": "order", "data": ORDER}).encode()),
    "reply": (reply, envelope({"order_id": "151220000000000"})),
    "ltp frame": (frame, LTP),
    "full frame": (frame, FULL),
    "bytes": (decode_json, b'{"a":[1,2.5,"x",null,true]}'),
    "contracts": (lambda body: parse_underlyings(body.decode()), CSV.encode()),
}  # fmt: skip
SALT = (
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e-999", b"99999999999999999999", b"0.1e400", b"null", b"true",
    b'""', b"[]", b"{}", b"[[[[[[[[", b'{"a":{"a":{"a":', b"\xff\xfe", b"\xed\xa0\x80", b"\x00", b"\\u0000", b"\\ud800",
    b'"order_id":', b"\r\n\x1b[2J", b"-0", b"1E5", b"0x10", b"'", b"1_000", b"\xe2\x80\xa8", b"2021-13-45 99:99:99",
    b"9" * 400,
)  # fmt: skip


class Chance:
    """Seeded draws, many made at once: one at a time would take longer than the parsers."""

    def __init__(self, *seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._drawn: list[int] = []

    def below(self, n: int) -> int:
        if not self._drawn:
            self._drawn = self._rng.integers(0, 1 << 62, size=1 << 14).tolist()
        return self._drawn.pop() % n

    def one_of(self, things: Sequence[Any]) -> Any:
        return things[self.below(len(things))]

    def happens(self, percent: int) -> bool:
        return self.below(100) < percent


def spoiled(sound: bytes, chance: Chance) -> bytes:
    data = bytearray(sound)
    for _ in range(1 + chance.below(3)):
        at = chance.below(len(data) + 1)
        match chance.below(7):
            case 0 if data:
                data[at % len(data)] ^= 1 << chance.below(8)
            case 1:
                del data[at : at + 1 + chance.below(11)]
            case 2:
                data[at:at] = chance.one_of(SALT)
            case 3:
                data[at : at + 1 + chance.below(7)] = chance.one_of(SALT)
            case 4:
                del data[at:]
            case 5:
                data[at:at] = data[: chance.below(len(data) + 1)]
            case _:
                data[at : at + 4] = chance.below(1 << 32).to_bytes(4, "big")
    return bytes(data)


ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63, -(2**63), 10**19, 0.1, -0.0, 1e300, 5e-324, "", "0", "NaN", "x" * 300,
    "\x00\x1b[31m", "2021-05-31 15:20:28", "9999-12-31 23:59:59", "2021-05-31T15:20:28+99:00", [], {}, [[]], [None],
    {"a": {}}, "BUY", "SL-M", "UPDATE", "COMPLETE", "300000000000000/../x", "🂡",
)  # fmt: skip


def rewritten(sound: bytes, chance: Chance) -> bytes:
    """A sound JSON text with one of its values replaced, dropped or doubled."""
    value = spot = msgspec.json.decode(sound)
    while isinstance(spot, dict | list) and spot:
        key = chance.one_of(list(spot)) if isinstance(spot, dict) else chance.below(len(spot))
        if isinstance(spot[key], dict | list) and spot[key] and chance.happens(85):
            spot = spot[key]
            continue
        fate = chance.below(10)
        if fate < 8:
            spot[key] = chance.one_of(ODD)
        elif fate < 9:
            del spot[key]
        elif isinstance(spot, list):
            spot.append(spot[key])
        else:
            spot[f"{key}_"] = spot[key]
        break
    return msgspec.json.encode(value)


def numbers(value: Any) -> Iterator[Decimal]:
    """Every Decimal in a parsed value."""
    if isinstance(value, Decimal):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from numbers(getattr(value, name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from numbers(item)


def assert_sound(value: Any) -> None:
    if isinstance(value, Quotes):
        assert len({len(getattr(value, name)) for name in QUOTE_COLUMNS}) == 1, "columns of one length"
        assert ((value.ids >= 0) & (value.ids < len(UNIVERSE))).all(), "known instruments alone"
    elif isinstance(value, BarSeries):
        assert ((value.starts >= START) & (value.starts < END)).all(), "inside what was asked for"
    elif not isinstance(value, dict):
        assert all(number.is_finite() for number in numbers(value)), "no number that is none"


@pytest.mark.timeout(120 + INPUTS // 2000)
@pytest.mark.parametrize("name", READERS)
def test_spoiled_input_gives_a_sound_value_or_a_wire_error(name: str) -> None:
    read, sound = READERS[name]
    chance = Chance(7, list(READERS).index(name))
    assert_sound(read(sound))
    refused, data = 0, sound
    try:
        for _ in range(INPUTS // len(READERS) + 1):
            is_text = sound[:1] == b"{"
            data = rewritten(sound, chance) if is_text and chance.happens(60) else spoiled(sound, chance)
            try:
                assert_sound(read(data))
            except WireError:
                refused += 1
            except UnicodeDecodeError:
                assert name in ("instruments", "contracts"), "the broker decodes a dump before it reads it"
    except BaseException as error:
        raise AssertionError(f"{name} did not take {data!r}: {error!r}") from error
    assert refused or name in ("ltp frame", "full frame", "reply", "bytes")


BOOKS: dict[str, tuple[dict[str, Any], Callable[[Any], VenueRows[Any]], Callable[[list[Any]], Any]]] = {
    "orders": (ORDER, parse_orders, lambda rows: rows),
    "trades": (TRADE, parse_trades, lambda rows: rows),
    "positions": (POSITION, parse_positions, lambda rows: {"net": rows, "day": []}),
}
FOREIGN = {"tradingsymbol": "NIFTY26DECFUT", "exchange": "NFO", "product": "NRML", "tag": None}


@pytest.mark.parametrize("name", BOOKS)
def test_one_spoiled_row_of_a_book_hides_no_other(name: str) -> None:
    sound, parse, book = BOOKS[name]
    chance = Chance(11, list(BOOKS).index(name))
    keys = {"positions": ("tradingsymbol",)}.get(name, ("order_id", "trade_id"))  # what tells two rows apart
    ours = [sound | {key: f"{sound[key]}{n}" for key in keys if key in sound} for n in range(2)]
    expected = parse(classify_response(200, envelope(book(ours))).data)
    assert len(expected) == 2
    unread, foreign = 0, json.dumps(sound | FOREIGN).encode()
    for _ in range(INPUTS // 40):
        odd = msgspec.Raw(rewritten(foreign, chance))
        rows = [ours[0], odd, ours[1]]
        body = msgspec.json.encode({"status": "success", "data": book(rows)})
        listed = parse(classify_response(200, body).data)
        assert [row for row in listed if row in expected] == expected, f"{name} lost a row beside {bytes(odd)!r}"
        assert len(listed) + len(listed.unread) == 3, f"{name} says nothing of {bytes(odd)!r}"
        unread += len(listed.unread)
    assert unread
