"""The operator's API: turns each request into a command to the desk, and answers once what followed is on disk."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from difflib import get_close_matches
from typing import Any

from tradebot.clock import Clock
from tradebot.control.halt_file import HaltFile
from tradebot.control.status_snapshot import order_rows, position_rows
from tradebot.domain.commands import EVERYTHING, CommandVerb, Scope, ScopeKind
from tradebot.domain.instrument import Universe
from tradebot.domain.messages import Command
from tradebot.domain.order import RequestState
from tradebot.trading.desk.account_view import AccountView

MAX_REASON_LENGTH = 300  # characters
COMMAND_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
WATCH_INTERVAL_S = 0.1  # seconds between two checks for the HALT file


class BadRequest(Exception):
    """A request that makes no sense; the text says why, `status` is the HTTP status of the answer."""

    def __init__(self, sentence: str, *, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


class OperatorApi:
    """Answers the operator's requests to one run.

    `command` gives the desk a command and returns when what followed is on disk. `status_snapshot` returns the status.
    `ask_to_stop` ends the run. `strategies` are the strategy names that a scope may have.
    """

    def __init__(
        self,
        *,
        account: AccountView,
        universe: Universe,
        strategies: frozenset[str],
        clock: Clock,
        halt_file: HaltFile,
        command: Callable[[Command], Awaitable[None]],
        status_snapshot: Callable[[], dict[str, Any]],
        ask_to_stop: Callable[[str], None],
    ) -> None:
        self._account, self._universe, self._strategies, self._clock = account, universe, strategies, clock
        self._halt_file, self._command, self._status_snapshot, self._ask_to_stop = (
            halt_file,
            command,
            status_snapshot,
            ask_to_stop,
        )

    def current_status(self) -> dict[str, Any]:
        """Return the current status of the run, as JSON values."""
        return self._status_snapshot()

    async def halt(self, body: dict[str, Any]) -> dict[str, Any]:
        """Halt entries in a scope; exits and cancels still leave. Raises BadRequest."""
        check_fields(body, "reason", "scope")
        reason, scope = one_line(body, "reason", "halted by the operator"), self._scope(body)
        await self._command(Command(verb=CommandVerb.HALT, reason=reason, scope=scope))
        return {"halted": reason, "scope": str(scope)}

    async def resume(self, body: dict[str, Any]) -> dict[str, Any]:
        """End the halt of a scope; scope `all` ends every halt and removes the HALT file. Raises BadRequest."""
        check_fields(body, "reason", "scope")
        reason, scope = one_line(body, "reason", "resumed by the operator"), self._scope(body)
        killed = self._halt_file.read_reason() if scope == EVERYTHING else ""
        if killed:
            # First the file, then the journal row: after a crash between the two the journaled halt is still active.
            await self._lift()
        await self._command(Command(verb=CommandVerb.RESUME, reason=reason, scope=scope))
        return {"resumed": str(scope), "lifted": killed}

    async def flatten(self, body: dict[str, Any]) -> dict[str, Any]:
        """Halt entries, cancel working entries and close every position, once for each `id`. Raises BadRequest.

        The halt stays active until a resume.
        """
        check_fields(body, "id", "reason", "lift_kill")
        id_ = body.get("id")
        if not isinstance(id_, str) or not COMMAND_ID.fullmatch(id_):
            raise BadRequest("flatten needs an id of up to 64 letters, digits, '.', '_' or '-': the same id acts once")
        lift = body.get("lift_kill", False)
        if not isinstance(lift, bool):
            raise BadRequest("lift_kill must be true or false")
        reason = one_line(body, "reason", "flattened by the operator")
        killed = self._halt_file.read_reason()
        if killed and not lift:
            raise BadRequest(
                f"no order may leave, not even an exit: {killed}; `tradebot flatten --lift-kill` lets exits leave",
                status=409,
            )
        is_repeated = id_ in self._account.conditions.halts.flatten_ids
        holdings, orders = position_rows(self._account), order_rows(self._account)
        await self._command(Command(verb=CommandVerb.FLATTEN, reason=reason, id=id_))
        if killed:
            await self._lift()  # the halt is in the journal now, so entries stay blocked
        return {"id": id_, "known": is_repeated, "closing": holdings, "orders": orders}

    async def cancel_order(self, body: dict[str, Any]) -> dict[str, Any]:
        """Cancel one order of ours; returns once the cancel is on disk, before the venue's answer. Raises BadRequest.

        A stop that the desk keeps at the venue comes back as long as its position is open.
        """
        check_fields(body, "order_id", "reason")
        reason, id_ = one_line(body, "reason", ""), body.get("order_id")
        orders = self._account.kept_orders()
        if not isinstance(id_, str) or id_ not in orders:
            near = get_close_matches(str(id_)[:80], [one.order_id for one in self._account.live_orders()], n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise BadRequest(f"this run knows no order {str(id_)[:80]!r}{hint}", status=404)
        order = orders[id_]
        if order.is_external:
            raise BadRequest(f"{id_} was placed elsewhere and is not ours to cancel", status=409)
        if not order.is_live or not order.may_trade:
            raise BadRequest(f"{id_} has ended: {order.state.value}", status=409)
        is_repeated = order.cancel.state is not RequestState.NONE
        told = f"cancelled by the operator: {reason}" if reason else "cancelled by the operator"
        await self._command(Command(verb=CommandVerb.CANCEL, reason=told, id=id_))
        state = orders[id_].state.value if id_ in orders else order.state.value
        return {"order_id": id_, "state": state, "already": is_repeated}

    async def pause(self, body: dict[str, Any]) -> dict[str, Any]:
        """Halt the entries of one strategy: a halt of its scope. Raises BadRequest."""
        return await self.halt(self._strategy_scope(body, "paused by the operator"))

    async def unpause(self, body: dict[str, Any]) -> dict[str, Any]:
        """End the halt of one strategy. Raises BadRequest."""
        return await self.resume(self._strategy_scope(body, "resumed by the operator"))

    def _strategy_scope(self, body: dict[str, Any], reason: str) -> dict[str, Any]:
        check_fields(body, "strategy", "reason")
        if not isinstance(body.get("strategy"), str):
            raise BadRequest("strategy must be the name of a strategy")
        return {"scope": f"{ScopeKind.STRATEGY}:{body['strategy']}", "reason": one_line(body, "reason", reason)}

    async def stop(self, body: dict[str, Any]) -> dict[str, Any]:
        """End the run, as a signal does. Raises BadRequest."""
        check_fields(body, "reason")
        self._ask_to_stop(one_line(body, "reason", "stopped by the operator"))
        return {"stopping": True}

    async def watch_halt_file(self) -> None:
        """Check for the HALT file until cancelled; a new file also halts the desk, which then cancels its entries."""
        last_reason = ""
        while True:
            found = self._halt_file.read_reason()
            if found and found != last_reason:
                await self._command(Command(verb=CommandVerb.HALT, reason=found, control="kill"))
            last_reason = found
            await self._clock.sleep(WATCH_INTERVAL_S)

    async def _lift(self) -> None:
        try:
            await asyncio.to_thread(self._halt_file.remove_file)
        except OSError as error:
            raise BadRequest(f"{self._halt_file.path} cannot be removed: {error.strerror}", status=500) from error

    def _scope(self, body: dict[str, Any]) -> Scope:
        text = body.get("scope", EVERYTHING.text)
        scope = Scope.parse(text) if isinstance(text, str) else None
        if scope is None or (scope.is_account_wide and text != scope.kind):
            raise BadRequest("scope must be all, account, symbol:NAME or strategy:NAME")
        if scope.is_account_wide:
            return scope
        names = self._universe.symbols if scope.kind is ScopeKind.SYMBOL else tuple(sorted(self._strategies))
        if scope.name not in names:
            near = get_close_matches(scope.name, names, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise BadRequest(f"this run has no {scope.kind} {scope.name[:80]!r}{hint}")
        return scope


def check_fields(body: dict[str, Any], *names: str) -> None:
    """Raise BadRequest for a field that is none of `names`."""
    if unknown := sorted(set(body) - set(names)):
        raise BadRequest(f"unknown field {unknown[0][:80]!r}; there are {', '.join(names)}")


def one_line(body: dict[str, Any], name: str, default: str) -> str:
    """Return a field that is one line of text, `default` where it is missing or empty. Raises BadRequest."""
    text = body.get(name, default)
    if not isinstance(text, str) or len(text) > MAX_REASON_LENGTH or not text.isprintable():
        raise BadRequest(f"{name} must be one line of at most {MAX_REASON_LENGTH} characters")
    return text.strip() or default
