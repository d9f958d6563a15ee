"""The session at the venue: a venue that refuses for a moment, as it does after a kill, does not end the start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tradebot.clock import ManualClock
from tradebot.config.sources import load_config
from tradebot.daemon.start_retry import StartRetry
from tradebot.daemon.venue.venue_session import _universe, open_venue_session
from tradebot.domain.instrument import Instrument
from tradebot.domain.venue_rows import VenueRows
from tradebot.errors import DataError, VenueUnavailable
from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.ops.events.event import Event, drop_event

SYMBOLS = ("RELIANCE", "TCS")


class Quick:
    """Keeps what is said; `faults` strike while the session is opened."""

    def __init__(self, faults: str, folder: Path, *, wait_at_start_s: float = 30.0) -> None:
        self.events: list[str] = []
        app = {"symbols": ",".join(SYMBOLS), "state_dir": str(folder)}
        config = load_config(overrides={"app": app, "venue": {"wait_at_start_s": wait_at_start_s}})
        self.opening = open_venue_session(
            config, exchange=None, exchange_log=folder / "exchange.jsonl", seen_until=0, on_end=self.events.append,
            tell=self.take_results, faults=FaultPlan.parse(faults, 7),
        )  # fmt: skip

    def take_results(self, event: Event) -> None:
        self.events.append(event.name)


@pytest.mark.parametrize(
    ("faults", "event"),
    [("429:instruments@1", "instruments_not_read"), ("429:profile@1", "login_failed")],
)
async def test_a_start_right_after_a_kill_outlasts_the_venues_rate_limit(
    faults: str, event: str, tmp_path: Path
) -> None:
    quick = Quick(faults, tmp_path)
    async with quick.opening as venue_session:
        assert venue_session.universe.symbols == SYMBOLS
    assert event in quick.events


async def test_a_venue_that_never_lists_its_instruments_ends_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradebot.daemon.start_retry.LONGEST_PAUSE_S", 0.01)
    monkeypatch.setattr("tradebot.daemon.start_retry.FIRST_PAUSE_S", 0.01)
    quick = Quick("429:instruments", tmp_path, wait_at_start_s=0.2)
    with pytest.RaisesGroup(pytest.RaisesExc(VenueUnavailable, match="did not answer")):
        async with quick.opening:
            pass


class BothExchanges:
    """A reader whose lists have one name on two exchanges."""

    async def fetch_instruments(self, symbols: Any) -> VenueRows[Instrument]:
        return VenueRows([Instrument(symbol="TCS", token=1), Instrument(symbol="TCS", exchange="BSE", token=2)])


async def test_one_name_on_two_exchanges_is_refused_with_a_sentence() -> None:
    start_retry = StartRetry(within_s=0, clock=ManualClock(), tell=drop_event)
    with pytest.raises(DataError, match="TCS: asked for on two exchanges"):
        await _universe(BothExchanges(), load_config(), start_retry, drop_event)  # type: ignore[arg-type]
