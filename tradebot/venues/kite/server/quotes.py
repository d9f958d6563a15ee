"""Renders market data as Kite's REST does: quotes, candles and the instrument file, from columns and series."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import numpy as np

from tradebot.clock import DAY, SECOND
from tradebot.domain.instrument import Instrument, InstrumentKind, Universe
from tradebot.domain.market import BarSeries, Ints
from tradebot.markets.calendar import HoursClass
from tradebot.markets.hours import hours_class_of
from tradebot.markets.indices import contract_name
from tradebot.markets.market import HOME_MARKET
from tradebot.venues.kite.server.wire import json_number, render_stamp

Json = dict[str, Any]

INSTRUMENT_COLUMNS = (
    "instrument_token",
    "exchange_token",
    "tradingsymbol",
    "name",
    "last_price",
    "expiry",
    "strike",
    "tick_size",
    "lot_size",
    "instrument_type",
    "segment",
    "exchange",
)
CONTRACTS, TUESDAY = "NFO", 1
KINDS = {InstrumentKind.FUTURE: "FUT", InstrumentKind.OPTION: "CE"}


def ltp_record(instrument: Instrument, state: dict[str, Ints], row: int) -> Json:
    """Return one value of /quote/ltp."""
    return {"instrument_token": instrument.token, "last_price": _price(instrument, state["last"][row])}


def ohlc_record(instrument: Instrument, state: dict[str, Ints], row: int) -> Json:
    """Return one value of /quote/ohlc; `close` is the previous day's."""
    names = {"open": "open", "high": "high", "low": "low", "close": "previous_close"}
    prices = {name: _price(instrument, state[column][row]) for name, column in names.items()}
    return {**ltp_record(instrument, state, row), "ohlc": prices}


def quote_record(
    instrument: Instrument, state: dict[str, Ints], row: int, *, lower_circuit: int, upper_circuit: int
) -> Json:
    """Return one value of /quote; the circuit limits are given in units of the instrument."""
    at = render_stamp(int(state["stamps"][row]))
    depth = {
        name: [
            {"price": _price(instrument, price), "quantity": int(quantity), "orders": int(orders)}
            for price, quantity, orders in zip(
                state[f"{side}s"][row], state[f"{side}_quantities"][row], state[f"{side}_orders"][row], strict=True
            )
        ]
        for name, side in (("buy", "bid"), ("sell", "ask"))
    }
    return {
        **ohlc_record(instrument, state, row),
        "timestamp": at,
        "last_trade_time": at,
        "last_quantity": int(state["last_quantity"][row]),
        "average_price": _price(instrument, state["average"][row]),
        "volume": int(state["volume"][row]),
        "buy_quantity": int(state["buy_quantity"][row]),
        "sell_quantity": int(state["sell_quantity"][row]),
        "net_change": _price(instrument, state["last"][row] - state["previous_close"][row]),
        "oi": 0,
        "oi_day_high": 0,
        "oi_day_low": 0,
        "lower_circuit_limit": _price(instrument, lower_circuit),
        "upper_circuit_limit": _price(instrument, upper_circuit),
        "depth": depth,
    }


def candle_rows(series: BarSeries, instrument: Instrument, *, with_oi: bool) -> list[list[Any]]:
    """Return rows `["2017-12-15T09:15:00+0530", o, h, l, c, v(, oi)]`; a day candle has the time of midnight."""
    starts = (series.starts + HOME_MARKET.utc_offset_ns(0)) // SECOND
    if series.interval >= DAY:
        starts = starts // 86_400 * 86_400
    stamps = np.datetime_as_string(starts.astype("datetime64[s]"), unit="s")
    scale = 10**instrument.price_decimals
    columns = [
        [f"{text}+0530" for text in stamps.tolist()],
        *((column / scale).tolist() for column in (series.open, series.high, series.low, series.close)),
        series.volume.tolist(),
    ]
    if with_oi:
        columns.append([0] * len(series))
    return [list(row) for row in zip(*columns, strict=True)]


def instruments_csv(universe: Universe, exchange: str | None, *, on: date) -> bytes:
    """Return the instruments of one exchange (None: of all) as Kite's CSV on the day `on`, always with the header.

    NFO lists one future for each share and index that has derivatives, so that a client can find out which have them.
    These futures cannot be traded.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(INSTRUMENT_COLUMNS)
    writer.writerows(_instrument_rows(i for i in universe if exchange in (None, i.exchange)))
    if exchange in (None, CONTRACTS):
        writer.writerows(_future_rows((i for i in universe if hours_class_of(i) is HoursClass.UNDERLYING), _expiry(on)))
    return out.getvalue().encode()


def _instrument_rows(instruments: Iterable[Instrument]) -> Iterable[tuple[Any, ...]]:
    for i in instruments:
        is_index = i.kind is InstrumentKind.INDEX
        yield (
            i.token,
            i.token >> 8,
            i.symbol,
            i.name or i.symbol,
            "0.0",
            "",
            "0.0",
            "0" if is_index else i.tick_size,
            i.lot_size,
            KINDS.get(i.kind, "EQ"),
            "INDICES" if is_index else i.exchange,
            i.exchange,
        )


def _future_rows(instruments: Iterable[Instrument], expiry: date) -> Iterable[tuple[Any, ...]]:
    for i in instruments:
        token, name = i.token + 1, contract_name(i.symbol)  # the number of the share in the next segment
        yield (
            token,
            token >> 8,
            f"{name}{expiry:%y%b}FUT".upper(),
            name,
            "0",
            expiry.isoformat(),
            "0",
            i.tick_size,
            "1",
            "FUT",
            f"{CONTRACTS}-FUT",
            CONTRACTS,
        )


def _expiry(on: date) -> date:
    # The last Tuesday of the next month is always in the future.
    first = (on.replace(day=1) + timedelta(days=62)).replace(day=1)
    return first - timedelta(days=(first.weekday() - TUESDAY - 1) % 7 + 1)


def _price(instrument: Instrument, units: int | np.int64) -> int | float:
    return json_number(instrument.price_from_units(int(units)))
