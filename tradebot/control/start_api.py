"""The operator's API of a start: what it waits for, and how to end it; there is no desk yet that could halt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradebot.control.operator_api import BadRequest, check_fields, one_line

STARTING, NEEDS_LOGIN = "starting", "needs login"


class StartApi:
    """Answers the operator until the run's own API does. `run` is what never changes in a run."""

    def __init__(
        self, run: dict[str, Any], *, login: Callable[[], dict[str, Any] | None], ask_to_stop: Callable[[str], None]
    ) -> None:
        self._run, self._login, self._ask_to_stop = run, login, ask_to_stop

    def current_status(self) -> dict[str, Any]:
        """Return the status of the start, as JSON values: `login` is None before the venue was asked."""
        login = self._login()
        needs = login is not None and login["state"] == "NEED_LOGIN"
        return self._run | {"state": NEEDS_LOGIN if needs else STARTING, "login": login, "halts": []}

    async def halt(self, body: dict[str, Any]) -> dict[str, Any]:
        """Refuse: nothing is traded yet. Raises BadRequest."""
        raise self._refused()

    async def resume(self, body: dict[str, Any]) -> dict[str, Any]:
        """Refuse: nothing is traded yet. Raises BadRequest."""
        raise self._refused()

    async def flatten(self, body: dict[str, Any]) -> dict[str, Any]:
        """Refuse: nothing is traded yet. Raises BadRequest."""
        raise self._refused()

    async def stop(self, body: dict[str, Any]) -> dict[str, Any]:
        """End the start, as a signal does. Raises BadRequest."""
        check_fields(body, "reason")
        self._ask_to_stop(one_line(body, "reason", "stopped by the operator"))
        return {"stopping": True}

    def _refused(self) -> BadRequest:
        state = self.current_status()["state"]
        return BadRequest(
            f"the daemon is not trading yet ({state}), no order leaves; `tradebot kill` bars orders from its start on",
            status=409,
        )
