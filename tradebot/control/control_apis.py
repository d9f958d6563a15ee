"""Who answers the operator now: the start at first, then the run; every route asks what is here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from tradebot.control.account_lists import AccountLists
from tradebot.control.answers import ReadyAnswer, ReadyPart
from tradebot.control.event_stream import EventStreams
from tradebot.control.journal_lists import JournalLists
from tradebot.control.login_api import LoginApi
from tradebot.control.operator_api import BadRequest, OperatorApi, check_fields
from tradebot.control.start_api import StartApi
from tradebot.domain.instrument import Universe
from tradebot.errors import TradebotError


class RunLists(NamedTuple):
    """What a run can list: its account, and what is in its journal."""

    account: AccountLists
    journal: JournalLists
    universe: Universe
    ready_parts: Callable[[], tuple[ReadyPart, ...]]


class ControlApis:
    """`operator` is that of the start until the run's own takes over; `lists` come with the run.

    `events` are the streams of the run's events, `metrics` returns the text for Prometheus; None where there are none.
    """

    def __init__(
        self,
        operator: OperatorApi | StartApi,
        login: LoginApi | None = None,
        *,
        events: EventStreams | None = None,
        metrics: Callable[[], bytes] | None = None,
    ) -> None:
        self.operator, self.login, self.events, self.metrics = operator, login or LoginApi(), events, metrics
        self._lists: RunLists | None = None
        # Takes up the config, with whether raised limits are confirmed and whether it is a trial; comes with the run.
        self.reload_config: Callable[..., Awaitable[dict[str, Any]]] | None = None

    def begin_run(self, operator: OperatorApi, lists: RunLists) -> None:
        """Let the run answer from now on."""
        self.operator, self._lists = operator, lists

    @property
    def lists(self) -> RunLists:
        """Return the lists of the run. Raises BadRequest at a start."""
        if self._lists is None:
            raise BadRequest(
                "the daemon is not trading yet, there is nothing to list; ask `tradebot status`", status=409
            )
        return self._lists

    @property
    def run_operator(self) -> OperatorApi:
        """Return the operator's API of the run. Raises BadRequest at a start."""
        if not isinstance(self.operator, OperatorApi):
            raise BadRequest("the daemon is not trading yet; ask `tradebot status`", status=409)
        return self.operator

    async def reload(self, body: dict[str, Any]) -> dict[str, Any]:
        """Take up the changed settings of the config. Raises BadRequest where nothing is taken up."""
        check_fields(body, "confirm", "trial")
        confirm, trial = body.get("confirm", False), body.get("trial", False)
        if not (isinstance(confirm, bool) and isinstance(trial, bool)):
            raise BadRequest("confirm and trial must be true or false")
        if self.reload_config is None:
            raise BadRequest("the daemon is not trading yet, or was started without a config", status=409)
        try:
            return await self.reload_config(is_confirmed=confirm, is_trial=trial)
        except TradebotError as error:
            raise BadRequest(str(error), status=409) from error

    def readiness(self) -> ReadyAnswer:
        """Return which parts are fit for trading."""
        if self._lists is None:
            return ReadyAnswer(False, (ReadyPart("start", False, "the daemon is starting"),))
        parts = self._lists.ready_parts()
        return ReadyAnswer(all(part.ready for part in parts), parts)
