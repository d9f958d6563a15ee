"""Parses Kite's tables (instruments CSV, historical candles, REST quotes) into domain types and columns. Pure.

A malformed row does not affect the others. It is left out and counted, or becomes an `UnreadRow` with its symbol.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from decimal import Decimal, InvalidOperation

import numpy as np

from tradebot.domain.instrument import Instrument, InstrumentKind, Universe
from tradebot.domain.market import QUOTE_COLUMNS, BarSeries, Ints, Quotes
from tradebot.domain.venue_rows import UnreadRow, VenueRows
from tradebot.venues.kite.fields import (
    MAX_MAGNITUDE,
    MAX_NAME_LENGTH,
    WireError,
    clean_text,
    exact_decimal,
    field_of,
    number_of,
    parse_time,
    record_of,
    rows_of,
    time_of,
)

PRICE_DECIMALS = {"CDS": 7, "BCD": 4}  # exchange -> decimals of a ticker price; all others count paise
CSV_FIELDS = (
    "instrument_token",
    "tradingsymbol",
    "name",
    "tick_size",
    "lot_size",
    "instrument_type",
    "segment",
    "exchange",
)
INSTRUMENT_KINDS = {
    "EQ": InstrumentKind.EQUITY,
    "FUT": InstrumentKind.FUTURE,
    "CE": InstrumentKind.OPTION,
    "PE": InstrumentKind.OPTION,
}


def parse_instruments(text: str, *, wanted: Collection[str] | None = None) -> VenueRows[Instrument]:
    """Return the instruments of a CSV file in its order, only those with a symbol in `wanted` if given.

    A malformed row becomes an `UnreadRow` with its symbol, which may be "". Raises WireError for a header that lacks a
    required field.
    `instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,
    segment,exchange` then
    `3813889,14898,CENTRALBK-BE,CENTRAL BANK OF INDIA,0.0,,0.0,0.05,1,EQ,NSE,NSE`
    """
    found: list[Instrument] = []
    unread: list[UnreadRow] = []
    header, lines = _lines(text, CSV_FIELDS)
    at = [header.index(name) for name in CSV_FIELDS]
    named_at = header.index("tradingsymbol")
    for number, row, fault in lines:
        symbol = row[named_at] if named_at < len(row) else ""
        if wanted is not None and not fault and symbol not in wanted:
            continue
        try:
            if fault:
                raise WireError(fault)
            found.append(_instrument(*(row[i] for i in at)))
        except WireError as error:
            reason = f"line {number}: {clean_text(error)}"
            unread.append(UnreadRow(book="instruments", reason=reason, symbol=clean_text(symbol)[:MAX_NAME_LENGTH]))
    return VenueRows(found, unread)


def parse_underlyings(text: str) -> frozenset[str]:
    """Return the names of the underlyings of futures, from a CSV file of contracts; malformed rows are ignored.

    Raises WireError for a header that lacks a required field.
    `13238786,51714,RELIANCE26DECFUT,"RELIANCE",0,2026-12-29,0,0.1,500,FUT,NFO-FUT,NFO`
    """
    header, lines = _lines(text, ("name", "segment"))
    name, segment = header.index("name"), header.index("segment")
    return frozenset(row[name] for _, row, fault in lines if not fault and row[segment].endswith("-FUT"))


def _lines(text: str, wanted: Collection[str]) -> tuple[list[str], Iterator[tuple[int, list[str], str]]]:
    # Returns the header, and for each line its number, its fields and its fault. Each line is parsed on its own: an
    # unclosed quote would otherwise swallow the lines behind it.
    lines = text.splitlines()
    header, fault = _fields(lines[0]) if lines else ([], "")
    missing = [name for name in wanted if name not in header]
    if missing:
        raise WireError(f"instruments: the header has no {', '.join(missing)}{fault and ': '}{fault}")

    def rows() -> Iterator[tuple[int, list[str], str]]:
        for number, line in enumerate(lines[1:], 2):
            row, fault = _fields(line)
            if row and len(row) != len(header):
                fault = f"{len(row)} fields, the header has {len(header)}"
            if row or fault:
                yield number, row, fault

    return header, rows()


def _fields(line: str) -> tuple[list[str], str]:
    if '"' not in line:  # true for nearly all lines, and ten times as fast
        return (line.split(",") if line else []), ""
    try:
        return next(csv.reader([line], strict=True)), ""
    except csv.Error as error:
        return line.split(","), str(error)


def _instrument(
    token: str, symbol: str, name: str, tick: str, lot: str, kind: str, segment: str, exchange: str
) -> Instrument:
    is_index = segment == "INDICES"
    try:
        tick_size, lot_size, key = Decimal(tick), Decimal(lot), int(token)
    except (InvalidOperation, ValueError) as error:
        raise WireError("instrument_token, tick_size or lot_size is not a number") from error
    if not 0 < key < 1 << 32:
        raise WireError(f"instrument_token {token!r} is not a 32-bit number")
    if is_index:  # an index is quoted but never traded: the file gives it tick 0 and lot 0
        tick_size, lot_size = tick_size or Decimal("0.05"), lot_size or Decimal(1)
    if not all(number.is_finite() and 0 < number < MAX_MAGNITUDE for number in (tick_size, lot_size)):
        raise WireError(f"tick_size {tick!r} and lot_size {lot!r} must be positive")
    return Instrument(
        symbol=symbol,
        exchange=exchange,
        token=key,
        kind=InstrumentKind.INDEX if is_index else INSTRUMENT_KINDS.get(kind, InstrumentKind.EQUITY),
        tick_size=tick_size,
        lot_size=lot_size,
        price_decimals=PRICE_DECIMALS.get(exchange, 2),
        name=name,
    )


def parse_candles(data: object, instrument: Instrument, *, interval: int, start: int, end: int) -> BarSeries:
    """Return the candles that start in [start, end), in market ns, ascending and each start once.

    The starts of malformed candles are in `unread_starts`, 0 where the start is malformed too. Raises WireError unless
    `candles` is a list. `{"candles":[["2017-12-15T09:15:00+0530",1704.5,1705,1699.25,1702.8,2499],
    ...]}`
    """
    rows: dict[int, list[int]] = {}  # start ns -> open, high, low, close, volume units
    unread: list[int] = []
    for row in rows_of(field_of(record_of(data, "candles"), "candles"), "candles"):
        at = 0
        try:
            if not isinstance(row, list) or len(row) < 6 or not isinstance(row[0], str):
                raise WireError("candles: a row is not [time, open, high, low, close, volume]")
            at = parse_time(row[0], "candles.time")
            values = [instrument.price_to_units(exact_decimal(price, "candles.price")) for price in row[1:5]]
            values.append(int(exact_decimal(row[5], "candles.volume")))
        except WireError:
            unread.append(at)
            continue
        if start <= at < end:
            rows[at] = values
    starts = np.array(sorted(rows), dtype=np.int64)
    table = np.array([rows[int(at)] for at in starts], dtype=np.int64).reshape(-1, 5)
    opens, highs, lows, closes, volumes = table.T.copy()
    return BarSeries(
        symbol=instrument.symbol,
        interval=interval,
        starts=starts,
        open=opens,
        high=highs,
        low=lows,
        close=closes,
        volume=volumes,
        unread_starts=np.array(unread, dtype=np.int64),
    )


def parse_quotes(data: object, universe: Universe, *, seen_at: int, source: str = "kite") -> Quotes:
    """Return the quotes of GET /quote in the order of the universe.

    Instruments that are missing or malformed in the response have no row. Raises WireError unless `data` is an
    object. `{"NSE:INFY":{"instrument_token":408065,"timestamp":"2021-06-08 15:45:56","last_price":1412.95,
    "volume":7360198,"depth":{"buy":[{"price":1412.95,"quantity":5191,"orders":13}, ...],"sell":[...]}, ...}}`
    """
    answer = record_of(data, "quotes")
    rows = []
    for id_, instrument in enumerate(universe):
        value = answer.get(quote_key(instrument))
        if value is None:
            continue
        try:
            rows.append((id_, *_quote(value, instrument)))
        except WireError:
            continue  # its quote becomes stale, which the gate checks; the stops of other symbols need their quotes
    columns: Ints = np.array(rows, dtype=np.int64).reshape(-1, len(QUOTE_COLUMNS)).T.copy()
    return Quotes(source=source, seen_at=seen_at, **dict(zip(QUOTE_COLUMNS, columns, strict=True)))


def _quote(value: object, instrument: Instrument) -> tuple[int, ...]:
    row = record_of(value, "quotes")
    depth = row.get("depth")
    bid, bid_size = _best(depth, "buy", instrument)
    ask, ask_size = _best(depth, "sell", instrument)
    last = instrument.price_to_units(number_of(row, "last_price"))
    volume = int(number_of(row, "volume", optional=True))
    return time_of(row, "timestamp"), last, volume, bid, ask, bid_size, ask_size


def _best(depth: object, side: str, instrument: Instrument) -> tuple[int, int]:
    levels = depth.get(side) if isinstance(depth, dict) else None
    if not levels:
        return 0, 0
    level = record_of(rows_of(levels, f"depth.{side}")[0], f"depth.{side}")
    return instrument.price_to_units(number_of(level, "price")), int(number_of(level, "quantity"))


def quote_key(instrument: Instrument) -> str:
    """Return the key of an instrument in the quote routes: `NSE:INFY`."""
    return f"{instrument.exchange}:{instrument.symbol}"
