"""Handles doubtful quotes: implausible prices, silent instruments and frozen ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from tradebot.clock import SECOND
from tradebot.domain.commands import CommandVerb, Scope
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Quotes
from tradebot.domain.messages import Command, FrozenSymbols
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.market import (
    QuoteDoubted,
    QuotesFrozen,
    QuotesLost,
    QuotesResumed,
    QuotesStalled,
    StopBlinded,
)
from tradebot.trading.bar_builder import BarBuilder
from tradebot.trading.feed_monitor import SilenceMonitor
from tradebot.trading.frozen_quotes import FrozenQuoteDetector
from tradebot.trading.quote_requester import QuoteRequester

WARN_EVERY_NS = 20 * SECOND  # monotonic ns between two events for doubted prices of one instrument
HALT_CONTROL = "market_data"  # the control that a halt of a symbol names


class QuoteQualityMonitor:
    """Tells the operator, asks the venue for quotes, and halts a symbol whose prices are doubted too often.

    `halt` takes the halt command.
    """

    def __init__(
        self,
        *,
        bars: BarBuilder,
        universe: Universe,
        quote_requester: QuoteRequester,
        silence_monitor: SilenceMonitor,
        frozen_detector: FrozenQuoteDetector,
        halt: Callable[[Command], None],
        tell: EventListener,
    ) -> None:
        self._bars, self._universe, self._quote_requester = bars, universe, quote_requester
        self._silence_monitor, self._frozen_detector, self._halt, self._tell = (
            silence_monitor,
            frozen_detector,
            halt,
            tell,
        )
        self._told: dict[int, int] = {}  # id -> monotonic ns of its last event for a doubted price

    def on_filtered_quotes(self, valid: Quotes) -> None:
        """Take the valid rows of a frame, and handle the prices that the price band doubted."""
        self._frozen_detector.update_book(valid)
        band = self._bars.price_band
        if band is None or not band.doubted_prices:
            return
        doubts, band.doubted_prices = band.doubted_prices, []
        for doubt in doubts:
            instrument = self._universe[doubt.id]
            price, median = instrument.price_from_units(doubt.price), instrument.price_from_units(doubt.median)
            if valid.seen_at - self._told.get(doubt.id, -WARN_EVERY_NS) >= WARN_EVERY_NS or doubt.is_too_many:
                self._told[doubt.id] = valid.seen_at
                self._tell(QuoteDoubted(symbol=instrument.symbol, price=price, median=median))
            if doubt.is_too_many:
                reason = f"three prices within a minute were doubted, the last {price} at a median of {median}"
                scope = Scope.for_symbol(instrument.symbol)
                self._halt(Command(verb=CommandVerb.HALT, reason=reason, scope=scope, control=HALT_CONTROL))
        self._quote_requester.request_quotes({doubt.id for doubt in doubts})

    def on_venue_answer(self, quotes: Quotes, news: npt.NDArray[np.bool_]) -> None:
        """Take an answer of the venue. `news` (k,) is True for rows that the stream has not sent."""
        for id_, is_news in zip(quotes.ids.tolist(), news.tolist(), strict=True):
            if self._silence_monitor.on_venue_answer(id_, quotes.seen_at, has_news=is_news):
                self._tell(QuotesStalled(symbol=self._universe[id_].symbol))

    def check_instruments(
        self, mono: int, *, held: Iterable[int], guarded: npt.NDArray[np.bool_]
    ) -> FrozenSymbols | None:
        """Check for silent and frozen instruments. Returns the frozen symbols when they changed, else None.

        `held` are the ids of open positions. `guarded` (n,) is True for those with a stop, trailing stop or target.
        """
        report = self._silence_monitor.check_instruments(mono, held, self._bars.quote_filter.last_seen_mono)
        self._quote_requester.request_quotes(report.ask, resubscribe=True)
        for id_ in report.unknown:
            symbol = self._universe[id_].symbol
            self._tell(StopBlinded(symbol=symbol) if guarded[id_] else QuotesLost(symbol=symbol))
        for id_ in report.resumed:
            self._tell(QuotesResumed(symbol=self._universe[id_].symbol))
        if not self._frozen_detector.sample_quotes(mono, self._bars.quote_filter):
            return None
        symbols = tuple(self._universe[id_].symbol for id_ in np.flatnonzero(self._frozen_detector.is_frozen).tolist())
        self._tell(QuotesFrozen(symbols=symbols))
        return FrozenSymbols(symbols=symbols, mono=mono)
