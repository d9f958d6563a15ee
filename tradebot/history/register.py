"""The register of the history: which series there are, by symbol and interval, with the instrument of each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from tradebot.domain.instrument import Instrument
from tradebot.history.database import Database


class Kept(NamedTuple):
    """A series: its number, under which its chunks stand, and the instrument in whose units they are."""

    number: int
    instrument: Instrument


class Register:
    """The series of one database, each asked for once. Calls raise what the database raises."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[tuple[str, int], Kept] = {}  # (symbol, interval) -> series

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Forget what was learnt inside when it fails: the database does too."""
        known = dict(self._known)
        try:
            yield
        except BaseException:
            self._known = known
            raise

    def find(self, symbol: str, interval: int) -> Kept | None:
        """Return a series, None when there is none."""
        if (symbol, interval) not in self._known:
            query = "SELECT series, instrument FROM history_series WHERE symbol = ? AND bar_ns = ?"
            found = self._database.ask(query, symbol, interval)
            if not found:
                return None
            number, body = found[0]
            self._known[symbol, interval] = Kept(number, msgspec.json.decode(body, type=Instrument))
        return self._known[symbol, interval]

    def keep(self, instrument: Instrument, interval: int, source: str) -> Kept:
        """Return the series of an instrument, made now if need be; it gets finer decimals and never coarser ones."""
        kept = self.find(instrument.symbol, interval)
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
            else self._database.ask("SELECT coalesce(max(series), 0) + 1 FROM history_series")[0][0]
        )
        body = msgspec.json.encode(instrument).decode()
        self._database.ask(
            "INSERT INTO history_series VALUES (?, ?, ?, ?, ?) ON CONFLICT (series) DO UPDATE"
            " SET instrument = excluded.instrument, source = excluded.source",
            number, instrument.symbol, interval, body, source,
        )  # fmt: skip
        kept = self._known[instrument.symbol, interval] = Kept(number, instrument)
        return kept

    def remove(self, symbol: str, interval: int) -> None:
        """Remove a series that is there."""
        kept = self.find(symbol, interval)
        assert kept is not None, f"there is no series of {symbol}"
        self._database.ask("DELETE FROM history_series WHERE series = ?", kept.number)
        del self._known[symbol, interval]
