"""The hold of a repair: which symbols wait for bars that an outage spoiled, and what was held back meanwhile. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from tradebot.ops.events.analysis import SignalsResumed, SignalsWithheld
from tradebot.trading.analysis.repaired_bars import RepairedBars, SpoiledBars


class RepairHold:
    """The symbols that wait for a repair. They give no signals until all their spoiled bars are repaired or given up.

    An outage spoils the bars of all symbols. They are repaired in parts, and each part is free once its own bars are
    here. Of several outages the last one to be repaired frees a symbol.
    """

    def __init__(self) -> None:
        self._until: dict[str, int | None] = {}  # symbol -> end of its newest spoiled bar; None: the outage goes on
        self._bars = self._closes = self._signals = self._unrepaired = 0

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the symbols that wait, in the order of the universe."""
        return tuple(self._until)

    def on_spoiled(self, spoiled: SpoiledBars, universe: Sequence[str]) -> None:
        """Let all symbols of the universe wait for the repair of these bars."""
        if not spoiled.bars:  # an outage over the end of the session, which nothing repairs
            self._until = {symbol: until for symbol, until in self._until.items() if until is not None}
            return
        self._until = dict.fromkeys(universe, spoiled.until)
        self._bars = max(self._bars, spoiled.bars)

    def on_repaired(self, repaired: RepairedBars) -> None:
        """Let the symbols of a repair wait no longer, unless bars after these are spoiled too."""
        here = {series.symbol for series in repaired.series}
        for symbol in repaired.symbols:
            until = self._until.get(symbol)
            if until is not None and until <= repaired.until:
                del self._until[symbol]
                self._unrepaired += symbol not in here

    def on_close(self, withheld: int) -> SignalsWithheld | None:
        """Count a close with `withheld` signals; return the event of the first one that found symbols waiting."""
        if not self._until:
            return None
        self._closes, self._signals = self._closes + 1, self._signals + withheld
        return SignalsWithheld(symbols=len(self._until), bars=self._bars) if self._closes == 1 else None

    def take_end(self) -> SignalsResumed | None:
        """Return the event of the end, once no symbol waits, and begin the counts again; None if no close came."""
        if self._until:
            return None
        closes, signals, unrepaired = self._closes, self._signals, self._unrepaired
        self._bars = self._closes = self._signals = self._unrepaired = 0
        return SignalsResumed(closes=closes, signals=signals, unrepaired=unrepaired) if closes else None
