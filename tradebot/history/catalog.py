"""The catalog of the history: its series by venue, exchange, symbol and interval, with their instruments.

A name is a symbol, alone or after its exchange or its venue: INFY, BSE:INFY, embedded:INFY.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from tradebot.domain.instrument import Instrument
from tradebot.domain.position_key import InstrumentKey
from tradebot.errors import DataError
from tradebot.history.database import Database

INVENTING_VENUES = ("embedded", "exchange")  # venues that invent their prices


class CatalogEntry(NamedTuple):
    """A stored series."""

    number: int  # the key of its chunks
    instrument: Instrument  # prices and volumes are in its units
    venue: str = ""  # the venue that invented the prices, "" for traded prices


def inventing_venue(venue: str) -> str:
    """Return the venue in the key of a series: the venue if it invents its prices, "" if it passes on an exchange's."""
    return venue if venue in INVENTING_VENUES else ""


class SeriesCatalog:
    """The series of one database; each is queried once, then cached. Calls raise what the database raises."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._named: dict[str, dict[int, CatalogEntry]] = {}  # name -> interval -> series
        self._keyed: dict[tuple[InstrumentKey, int], CatalogEntry] = {}  # (instrument, interval) -> series

    @contextmanager
    def cache_transaction(self) -> Iterator[None]:
        """Clear the cache when the body raises, because the database then rolls back."""
        try:
            yield
        except BaseException:
            self._named, self._keyed = {}, {}
            raise

    def series_by_interval(self, name: str) -> dict[int, CatalogEntry]:
        """Return interval (ns) -> series of a name, all of one venue and exchange; empty when there is none.

        A plain symbol means traded prices if there are any, else invented ones. Raises DataError for a symbol that
        trades at several exchanges.
        """
        if name not in self._named:
            found = self._chosen(name)
            if not found:
                return {}
            self._named[name] = found
        return self._named[name]

    def find_series(self, name: str, interval: int) -> CatalogEntry | None:
        """Return the series of a name, None when there is none. Raises DataError as `series_by_interval` does."""
        return self.series_by_interval(name).get(interval)

    def series_of(self, instrument: Instrument, interval: int, venue: str) -> CatalogEntry | None:
        """Return the series of an instrument at its exchange, None when there is none."""
        key = InstrumentKey(venue, instrument.exchange, instrument.symbol)
        if (key, interval) not in self._keyed:
            query = (
                "SELECT series, instrument FROM history_series WHERE venue = ? AND exchange = ? AND symbol = ?"
                " AND bar_ns = ?"
            )
            found = self._database.fetch_rows(query, *key, interval)
            if not found:
                return None
            number, body = found[0]
            self._keyed[key, interval] = CatalogEntry(number, msgspec.json.decode(body, type=Instrument), venue)
        return self._keyed[key, interval]

    def add_series(self, instrument: Instrument, interval: int, source: str, venue: str) -> CatalogEntry:
        """Return the series of an instrument; create it if it does not exist. Its decimals never become fewer."""
        kept = self.series_of(instrument, interval, venue)
        if kept is not None:
            finest = {
                name: max(getattr(instrument, name), getattr(kept.instrument, name))
                for name in ("price_decimals", "quantity_decimals")
            }
            instrument = msgspec.structs.replace(instrument, **finest)
            if instrument == kept.instrument:
                return kept
        number = (
            kept.number
            if kept is not None
            else self._database.fetch_rows("SELECT coalesce(max(series), 0) + 1 FROM history_series")[0][0]
        )
        body = msgspec.json.encode(instrument).decode()
        self._database.fetch_rows(
            "INSERT INTO history_series VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (series) DO UPDATE"
            " SET instrument = excluded.instrument, source = excluded.source",
            number,
            venue,
            instrument.exchange,
            instrument.symbol,
            interval,
            body,
            source,
        )
        self._named.clear()
        key = InstrumentKey(venue, instrument.exchange, instrument.symbol)
        kept = self._keyed[key, interval] = CatalogEntry(number, instrument, venue)
        return kept

    def remove_entry(self, kept: CatalogEntry) -> None:
        """Remove an existing series."""
        self._database.fetch_rows("DELETE FROM history_series WHERE series = ?", kept.number)
        self._named, self._keyed = {}, {}

    def _chosen(self, name: str) -> dict[int, CatalogEntry]:
        place, _, symbol = name.rpartition(":")
        rows = self._rows(name)
        if not rows and place:
            rows = [row for row in self._rows(symbol) if place.lower() in (row[1].lower(), row[2].lower())]
        venues = {venue for _, venue, _, _, _ in rows}
        venue = "" if "" in venues else min(venues, default="")
        rows = [row for row in rows if row[1] == venue]
        exchanges = sorted({exchange for _, _, exchange, _, _ in rows})
        if len(exchanges) > 1:
            names = " or ".join(f"{exchange}:{symbol}" for exchange in exchanges)
            raise DataError(f"{self._database.location}: {symbol} trades at {' and '.join(exchanges)}; say {names}")
        return {
            interval: CatalogEntry(number, msgspec.json.decode(body, type=Instrument), venue)
            for number, _, _, interval, body in rows
        }

    def _rows(self, symbol: str) -> list[tuple[int, str, str, int, str]]:
        query = "SELECT series, venue, exchange, bar_ns, instrument FROM history_series WHERE symbol = ?"
        return [
            (number, venue, exchange, ns, body)
            for number, venue, exchange, ns, body in self._database.fetch_rows(query, symbol)
        ]
