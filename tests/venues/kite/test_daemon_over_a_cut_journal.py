"""A whole daemon over a journal that was cut or put away: it starts halted, guards what it holds, names the way out."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.patient_trader import EAGER
from tests.venues.kite.daemon_between import Run, day
from tradebot.__main__ import run_command_line as command
from tradebot.control.client import send_request
from tradebot.journal.reader import read_rows, verify_chain

pytestmark = pytest.mark.timeout(60)


def is_sent(line: dict[str, Any], purpose: str) -> bool:
    return bool(line["event"] == "order_submitted" and line["purpose"] == purpose)


def head_halts(journal: Path) -> list[str]:
    commands = (row.message for row in read_rows(journal, kinds=["halt"]))
    return [c.reason for c in commands if c.control == "journal_head"]  # type: ignore[attr-defined]


async def holding_and_halted(today: Run, state: Path) -> None:
    """Let one run buy and end, and a second one be halted by a person and end."""
    async with today.daemon():
        await today.event("order_filled", times=2)
    async with today.daemon():
        await today.event("trading_started", times=2)
        await asyncio.to_thread(send_request, state, "POST", "/halt", {"reason": "what I saw", "scope": "all"})


async def test_a_journal_cut_before_a_halt_starts_halted_exits_act_and_a_resume_ends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, journal = tmp_path / "state", tmp_path / "state/journal.sqlite3"
    async with day(tmp_path) as today:
        # Given positions, a halt by hand, and a journal that was cut before it by hand: its chain holds,
        await holding_and_halted(today, state)
        first, (halt,) = today.all("daemon_stopped")[0]["rows"], list(read_rows(journal, kinds=["halt"]))
        with sqlite3.connect(journal) as connection:
            connection.execute("DELETE FROM rows WHERE seq >= ?", (halt.seq,))
        assert verify_chain(journal).is_intact
        assert await asyncio.to_thread(command, ["verify", str(journal)]) == 73
        assert f"rows behind row {first} were cut off" in capsys.readouterr().err
        # when a run starts over it that would sell and buy,
        (tmp_path / "trader.py").write_text(EAGER)
        before = len(today.told)
        async with today.daemon():
            # then it is halted before it trades, sells what is held, and opens nothing
            await today.until(lambda: any(is_sent(line, "exit") for line in today.told[before:]))
            await today.until(lambda: any(line["purpose"] == "entry" for line in today.all("order_denied", before)))
            assert not any(is_sent(line, "entry") for line in today.told[before:])
            (recovered,) = today.all("state_recovered", before)
            assert f"rows behind row {first} were cut off or changed" in recovered["halted"]
            assert "opens nothing until `tradebot resume`" in recovered["halted"]
        # A start over the same journal is halted by the row that says so, and only by that, until a resume.
        before = len(today.told)
        async with today.daemon():
            await today.until(lambda: any(line["purpose"] == "entry" for line in today.all("order_denied", before)))
            assert await asyncio.to_thread(command, ["resume", "--state-dir", str(state), "it is an older copy"]) == 0
            await today.until(lambda: any(is_sent(line, "entry") for line in today.told[before:]))
        assert len(head_halts(journal)) == 1
        assert await asyncio.to_thread(command, ["verify", str(journal)]) == 0
        before = len(today.told)
        async with today.daemon():
            await today.event("trading_started", times=5)
        assert today.all("state_recovered", before)[0].get("halted") is None


async def test_a_journal_that_was_put_away_starts_a_new_one_halted(tmp_path: Path) -> None:
    journal = tmp_path / "state/journal.sqlite3"
    async with day(tmp_path) as today:
        async with today.daemon():
            await today.event("order_filled")
        for file in journal.parent.glob("journal.sqlite3*"):
            if not file.name.endswith(".heads"):
                file.unlink()
        before = len(today.told)
        async with today.daemon():
            await today.until(lambda: any(line["purpose"] == "entry" for line in today.all("order_denied", before)))
        assert not any(is_sent(line, "entry") for line in today.told[before:])
        (reason,) = head_halts(journal)
        assert "there is no journal, though a run left row" in reason
        assert today.all("halt_raised", before)[0]["level"] == "error"
