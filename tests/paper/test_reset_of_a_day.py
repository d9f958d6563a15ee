"""A paper account that is reset between two runs of a daemon: the journal gives its positions to no other account."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.paper.paper_day import on_paper
from tests.venues.kite.daemon_between import Run, day
from tradebot.__main__ import run_command_line
from tradebot.daemon.venue import venue_session
from tradebot.journal.recovery import recover_state
from tradebot.journal.schema import FILE_NAME
from tradebot.paper.settings import PAPER_LOG

pytestmark = pytest.mark.timeout(120)


def open_positions(journal: Path) -> dict[str, dict[str, int]]:
    """Return account -> symbol -> quantity of every account in the journal."""
    accounts = recover_state(journal).accounts
    return {
        name: {key.symbol: int(one.quantity) for key, one in account.positions.items() if one.quantity}
        for name, account in accounts.items()
    }


async def run_until_it_holds(run: Run, journal: Path, accounts: int) -> None:
    async with run.daemon():
        await run.until(lambda: len([1 for line in run.told if line["event"] == "order_filled"]) >= 1)
    assert len(open_positions(journal)) == accounts


async def test_a_reset_account_leaves_its_positions_behind_and_the_next_one_begins_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venue_session, "venue_with_orders", on_paper)
    state = tmp_path / "state"
    journal = state / FILE_NAME
    settings: dict[str, Any] = {"execution": {"on_stop": "leave"}}
    async with day(tmp_path, **settings) as run:
        await run_until_it_holds(run, journal, 1)
        first = open_positions(journal)["PAPER-SIM001"]
        assert first

        # Without a reset the account goes on: the daemon finds its positions where it left them.
        run.told.clear()
        await run_until_restarted(run)
        assert said(run, "state_recovered")["positions"] == len(first)
        assert not problems(run)

        assert run_command_line(["paper", "reset", "--yes", "--state-dir", str(state)]) == 0
        run.told.clear()
        await run_until_restarted(run)
        assert said(run, "state_recovered")["positions"] == 0
        assert not problems(run)
        assert set(open_positions(journal)) <= {"PAPER-SIM001", "PAPER-SIM001-2"}
        assert open_positions(journal)["PAPER-SIM001"]

        # A log that was removed by hand is as good as a reset: its name is not taken again.
        (state / PAPER_LOG).unlink()
        run.told.clear()
        await run_until_restarted(run)
        assert said(run, "state_recovered")["positions"] == 0
        assert not problems(run)


async def run_until_restarted(run: Run) -> None:
    async with run.daemon():
        await run.until(lambda: run.all("trading_started"))


def said(run: Run, event: str) -> dict[str, Any]:
    return run.all(event)[-1]


def problems(run: Run) -> list[dict[str, Any]]:
    """Return what was told of books that do not agree."""
    return [
        line for line in run.told if line["level"] in ("error", "critical") or line["event"].startswith("difference")
    ]
