"""The ground of a run: a venue that refuses for a moment, as it does after a kill, does not end the start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tradebot.config.sources import load
from tradebot.daemon.ground import TRIES, open_ground
from tradebot.errors import VenueUnavailable
from tradebot.exchange.faults.plan import FaultPlan

SYMBOLS = ("RELIANCE", "TCS")


class Quick:
    """Keeps what is said; `faults` strike while the ground is opened."""

    def __init__(self, faults: str, folder: Path) -> None:
        self.events: list[str] = []
        config = load(overrides={"app": {"symbols": ",".join(SYMBOLS), "state_dir": str(folder)}})
        self.opening = open_ground(
            config, exchange=None, exchange_log=folder / "exchange.jsonl", seen_until=0, on_end=self.events.append,
            tell=self.tell, faults=FaultPlan.parse(faults, 7),
        )  # fmt: skip

    def tell(self, event: str, **_: Any) -> None:
        self.events.append(event)


@pytest.mark.parametrize(
    ("faults", "event"),
    [("429:instruments@1", "instruments_not_read"), ("429:profile@1", "login_failed")],
)
async def test_a_start_right_after_a_kill_outlasts_the_venues_rate_limit(
    faults: str, event: str, tmp_path: Path
) -> None:
    quick = Quick(faults, tmp_path)
    async with quick.opening as ground:
        assert ground.universe.symbols == SYMBOLS
    assert event in quick.events


async def test_a_venue_that_never_lists_its_instruments_ends_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradebot.daemon.ground.FIRST_PAUSE_S", 0.001)
    quick = Quick("429:instruments", tmp_path)
    with pytest.RaisesGroup(pytest.RaisesExc(VenueUnavailable, match=f"did not answer in {TRIES} tries")):
        async with quick.opening:
            pass
