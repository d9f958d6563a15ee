"""The operator at a start: it says what it waits for and can be ended, and nothing is there yet to be halted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.control.start_rig import LOGGED_IN, RUN, WAITING, listening_start
from tradebot.errors import RequestRefused


@pytest.mark.parametrize(
    ("login", "state"), [(None, "starting"), (WAITING, "needs login"), (LOGGED_IN, "starting")],
    ids=("before the venue", "waits", "logged in"),
)  # fmt: skip
async def test_the_status_says_what_the_start_waits_for(
    login: dict[str, Any] | None, state: str, tmp_path: Path
) -> None:
    async with listening_start(tmp_path) as rig:
        rig.login = login
        assert await rig.ask("GET", "/status") == RUN | {"state": state, "login": login, "halts": []}


@pytest.mark.parametrize("verb", ["halt", "resume", "flatten"])
async def test_what_needs_a_desk_is_refused_with_what_works_instead(verb: str, tmp_path: Path) -> None:
    async with listening_start(tmp_path) as rig:
        with pytest.raises(RequestRefused, match=r"not trading yet \(needs login\), no order leaves; `tradebot kill`"):
            await rig.ask("POST", f"/{verb}", {"reason": "x", "scope": "all"})
        assert rig.stops == []


async def test_a_start_is_stopped_with_a_reason_and_odd_requests_are_refused(tmp_path: Path) -> None:
    async with listening_start(tmp_path) as rig:
        assert await rig.ask("POST", "/stop", {"reason": "not today"}) == {"stopping": True}
        assert await rig.ask("POST", "/stop", {}) == {"stopping": True}
        for body in ({"reason": "two\nlines"}, {"reason": 7}, {"force": True}):
            with pytest.raises(RequestRefused):
                await rig.ask("POST", "/stop", body)
    assert rig.stops == ["not today", "stopped by the operator"]


async def test_the_runs_own_answers_take_over_at_the_same_socket(tmp_path: Path) -> None:
    class Running:
        def current_status(self) -> dict[str, Any]:
            return {"state": "trading"}

    async with listening_start(tmp_path) as rig:
        rig.apis.operator = Running()  # type: ignore[assignment]
        assert await rig.ask("GET", "/status") == {"state": "trading"}
        assert (await rig.ask("POST", "/login", {"text": "abcdefgh"}))["account"] == "AB1234"
