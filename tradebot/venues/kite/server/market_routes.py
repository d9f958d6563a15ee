"""Kite's market data routes: quotes, historical candles and the instrument file, read from the exchange."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tradebot.clock import DAY, SECOND
from tradebot.exchange.exchange import Exchange
from tradebot.markets.calendar import ist_date
from tradebot.markets.market import HOME_MARKET
from tradebot.venues.kite.rules import CANDLES, EXCHANGES, PRICES_PER_REQUEST, QUOTES_PER_REQUEST
from tradebot.venues.kite.server.quotes import candle_rows, instruments_csv, ltp_record, ohlc_record, quote_record
from tradebot.venues.kite.server.wire import Params, input_error, parse_stamp, required_parameter

# interval -> (length in ns, longest span of one request in days)
INTERVALS = {name: (length, days) for length, (name, days) in CANDLES.items()}
MAX_QUOTES = {"quote": QUOTES_PER_REQUEST, "ohlc": PRICES_PER_REQUEST, "ltp": PRICES_PER_REQUEST}


class KiteMarketRoutes:
    """The routes that read market data. Every method raises KiteError for parameters that Kite would refuse."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._rows: dict[str, int] = {}  # "NSE:INFY" and "408065" -> instrument id
        for row, instrument in enumerate(exchange.universe):
            self._rows[f"{instrument.exchange}:{instrument.symbol}"] = row
            self._rows[str(instrument.token)] = row
        self._lists: dict[str | None, bytes] = {}

    def list_quotes(self, keys: Sequence[str], *, kind: str) -> dict[str, Any]:
        """Return `quote`, `ohlc` or `ltp` objects by the requested key; unknown keys are left out, as on Kite."""
        if not keys:
            raise input_error("Missing or empty field `i`.")
        if len(keys) > MAX_QUOTES[kind]:
            raise input_error(f"Too many instruments: {len(keys)} of at most {MAX_QUOTES[kind]}.")
        return {key: self._quote(self._rows[key], kind) for key in keys if key in self._rows}

    def _quote(self, row: int, kind: str) -> dict[str, Any]:
        exchange, instrument = self._exchange, self._exchange.universe[row]
        if kind == "ltp":
            return ltp_record(instrument, exchange.latest_columns, row)
        if kind == "ohlc":
            return ohlc_record(instrument, exchange.latest_columns, row)
        return quote_record(
            instrument,
            exchange.latest_columns,
            row,
            lower_circuit=int(exchange.source.lower_circuit[row]),
            upper_circuit=int(exchange.source.upper_circuit[row]),
        )

    def list_candles(self, token: str, interval: str, params: Params) -> dict[str, Any]:
        """Return the finished candles that start in [from, to], both ends included."""
        if interval not in INTERVALS:
            raise input_error("Invalid `interval`.")
        if not token.isdigit() or token not in self._rows:
            raise input_error("Invalid `instrument_token`.")
        length, days = INTERVALS[interval]
        start = parse_stamp(required_parameter(params, "from"), "from")
        end = parse_stamp(required_parameter(params, "to"), "to")
        if end < start:
            raise input_error("Invalid date range: `from` is after `to`.")
        if end - start > days * DAY:
            raise input_error(f"interval exceeds max limit: {days} days")
        if length == DAY:  # whole days, because a source may start a day's bar at any time of the day
            start, end = HOME_MARKET.day_start_at(start), HOME_MARKET.day_start_at(end) + DAY - SECOND
        row = self._rows[token]
        series = self._exchange.source.bar_series(row, interval_ns=length, start_at=start, end_at=end + SECOND)
        instrument = self._exchange.universe[row]
        return {"candles": candle_rows(series, instrument, with_oi=params.get("oi") == "1")}

    def instrument_file(self, exchange: str | None) -> bytes:
        """Return the instruments of one exchange, or of all for None, as CSV."""
        if exchange is not None and exchange not in EXCHANGES:
            raise input_error("Invalid `exchange`.")
        if exchange not in self._lists:
            on = ist_date(self._exchange.source.opens_at)
            self._lists[exchange] = instruments_csv(self._exchange.universe, exchange, on=on)
        return self._lists[exchange]
