"""Records what a replay of the run needs: the inputs of the desk, the settings of its decisions, the warm-up bars."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from tradebot.config import Config
from tradebot.config.desk_settings import desk_settings, gate_limits, resting_settings
from tradebot.daemon.venue.venue_session import EXCHANGE, VenueSession
from tradebot.domain.market import BarSeries
from tradebot.domain.messages import Command
from tradebot.journal.rows import RunSettings, WarmupBars, WarmupJoin
from tradebot.journal.writer import Journal
from tradebot.strategies.loading import StrategySpec
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.desk import Desk, build_desk
from tradebot.trading.desk.fill_charges import charges_by_market
from tradebot.trading.desk.gate.limits import build_gate
from tradebot.trading.desk.recording_desk import RecordingDesk
from tradebot.trading.trading_desk import TradingDesk

SYMBOLS_PER_ROW = 50  # symbols whose bars go into one row of some hundred kB


class InputRecorder:
    """The desk of one run, and the recorder of its inputs for a replay.

    `specs` are the strategies of `config`, in order. With `journal.record_inputs` off nothing is recorded.
    `killed` returns the reason in the HALT file, "" without it.
    """

    def __init__(
        self,
        config: Config,
        venue_session: VenueSession,
        journal: Journal,
        *,
        run_id: str,
        specs: Sequence[StrategySpec],
        killed: Callable[[], str],
    ) -> None:
        self._config, self._venue_session, self._journal = config, venue_session, journal
        venue_rules = venue_session.venue.venue_rules
        settings = desk_settings(
            config,
            most_changes=venue_rules.modifications_per_order,
            checks_fills=True,
            resting=resting_settings(config, [spec.name for spec in specs], venue_rules),
            # A paper account and the embedded exchange are in this process: no other daemon reaches them.
            watches_other_daemons=config.app.mode == "live" or venue_session.venue_name == EXCHANGE,
        )
        self._settings = msgspec.structs.replace(settings, venue=venue_session.venue_name)
        self._limits = gate_limits(config, speed=venue_session.clock.speed)
        self._venue: dict[str, Any] = {
            "absent_after_s": venue_rules.absent_after_s,
            "absence_is_proof": venue_rules.absence_is_proof,
        }
        self._recording_desk = None
        if config.journal.record_inputs:
            self._recording_desk = RecordingDesk(self._desk(run_id), killed=killed, append=self._append)
        self.desk: TradingDesk = self._recording_desk or self._desk(run_id)(killed)

    def record_settings(
        self, specs: Iterable[StrategySpec], *, opens_at: int, halts: Sequence[Command], flattened: Iterable[str]
    ) -> None:
        """Record the settings on which the run's decisions depend."""
        if self._recording_desk is None:
            return
        row = RunSettings(
            interval=self._config.bars.interval_ns,
            strategies=tuple(msgspec.to_builtins(spec) for spec in specs),
            limits=msgspec.to_builtins(self._limits),
            desk=msgspec.to_builtins(self._settings),
            venue=self._venue,
            opens_at=opens_at,
            halts=tuple(halts),
            flattened=tuple(sorted(flattened)),
        )
        self._journal.append("terms", row, at=self._venue_session.clock.market_ns())

    def record_warmup(self, past: Sequence[BarSeries]) -> None:
        """Record the bars that the strategies are warmed up with."""
        if self._recording_desk is None:
            return
        for first in range(0, len(past), SYMBOLS_PER_ROW):
            row = WarmupBars(series=tuple(past[first : first + SYMBOLS_PER_ROW]))
            self._journal.append("warmup", row, at=self._venue_session.clock.market_ns())

    def record_join(self, past: Sequence[BarSeries], join: WarmupJoin) -> None:
        """Record which symbols join the strategies, with which bars, after which close."""
        self.record_warmup(past)
        if self._recording_desk is not None:
            self._journal.append("joined", join, at=self._venue_session.clock.market_ns())

    def flush_inputs(self) -> None:
        """Record the inputs of the last seconds."""
        if self._recording_desk is not None:
            self._recording_desk.flush_inputs()

    def _append(self, batch: Any) -> None:
        self._journal.append("tape", batch, at=self._venue_session.clock.market_ns())

    def _desk(self, run_id: str) -> Callable[[Callable[[], str]], Desk]:
        universe = self._venue_session.universe

        def make(killed: Callable[[], str]) -> Desk:
            book = Book(universe, self._settings, charges_by_market(universe))
            gate = build_gate(self._limits, kill_reason=killed)
            return build_desk(book, gate=gate, id_prefix=run_id, **self._venue)

        return make
