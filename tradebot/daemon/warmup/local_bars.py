"""The bars of a run's symbols in the local history: read for the warm-up, and what the venue added is written back.

The history is opened for each use and in a thread, because an import in another process may lock it for seconds. A run
whose venue invents its prices neither reads nor writes it: another run's inventions are not its past.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tradebot.config import Config
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarSeries
from tradebot.errors import DataError, LinkLost, StateError
from tradebot.history.catalog import inventing_venue
from tradebot.history.database import FILE_NAME
from tradebot.history.held_bars import BarsWanted, HeldBars, held_interval, read_held_bars
from tradebot.history.history import History, open_history
from tradebot.ops.events.analysis import HistoryNotRead, HistoryNotSaved
from tradebot.ops.events.event import EventListener


class FetchedGap(NamedTuple):
    """Bars that the venue gave for [since, until) (market ns), after the held ones."""

    instrument: Instrument
    series: BarSeries
    since: int
    until: int


class LocalBars:
    """The history that the configuration names, for a run at `venue`. A history that cannot be used is told."""

    def __init__(self, config: Config, venue: str, tell: EventListener) -> None:
        self._state_dir, self._venue, self._tell = config.app.state_dir, venue, tell
        self._dsn = config.store.dsn.get_secret_value() if config.history.in_store else ""
        self.is_usable = False  # whether the run may use a history and there is one, known once it was read

    def read_bars(self, instruments: Sequence[Instrument], wanted: BarsWanted) -> dict[str, HeldBars]:
        """Return symbol -> the held bars that a run may begin with, or their doubt. Blocks; call it in a thread."""
        is_there = bool(self._dsn) or (self._state_dir / FILE_NAME).exists()
        self.is_usable = is_there and not inventing_venue(self._venue)
        if not self.is_usable:
            return {}
        try:
            with self._opened(writes=False) as history:
                accepted = history.accepted_jumps()
                found = {i.symbol: read_held_bars(history, i, wanted, accepted) for i in instruments}
        except (DataError, StateError, LinkLost) as error:
            self._tell(HistoryNotRead(reason=str(error)))
            return {}
        return {symbol: past for symbol, past in found.items() if past is not None}

    def write_gaps(self, gaps: Sequence[FetchedGap]) -> None:
        """Write bars that were fetched, so that the next start does not ask for them. Blocks; call it in a thread."""
        if not gaps:
            return
        try:
            with self._opened(writes=True) as history, history.transaction():
                for gap in gaps:
                    interval, name = gap.series.interval, f"{gap.instrument.exchange}:{gap.instrument.symbol}"
                    if held_interval(history, name, interval) not in (0, interval):
                        continue  # shorter bars stand in for it, and a few of its own would take their place
                    if len(gap.series):
                        history.write_bars(gap.instrument, gap.series, source=self._venue, venue=self._venue)
                    history.add_requested_span(
                        gap.instrument, interval, gap.since, gap.until, source=self._venue, venue=self._venue
                    )
        except (DataError, StateError, LinkLost) as error:
            self._tell(HistoryNotSaved(symbols=len(gaps), reason=str(error)))

    def _opened(self, *, writes: bool) -> History:
        return open_history(self._state_dir, dsn=self._dsn, writes=writes)
