"""The panel: what the operator's requests mean. Each becomes a command to the desk; the answer waits for the disk."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from difflib import get_close_matches
from typing import Any

from tradebot.clock import Clock
from tradebot.control.halt_file import HaltFile
from tradebot.control.picture import holdings_of, orders_of
from tradebot.domain.control import EVERYTHING, Scope, ScopeKind, Verb
from tradebot.domain.instrument import Universe
from tradebot.domain.messages import Command
from tradebot.trading.desk.account_view import AccountView

LONGEST_REASON = 300
COMMAND_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
WATCH_S = 0.1  # between two looks for the HALT file


class Wrong(Exception):
    """A request that cannot be meant; the text says why, `status` is its HTTP status."""

    def __init__(self, sentence: str, *, status: int = 400) -> None:
        super().__init__(sentence)
        self.notify_status = status


class Panel:
    """Answers the operator of one run.

    `command` gives the desk a command and returns when what followed is on disk; `picture` returns the status;
    `ask_to_stop` ends the run. `strategies` are the names that a scope may have.
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
        picture: Callable[[], dict[str, Any]],
        ask_to_stop: Callable[[str], None],
    ) -> None:
        self._account, self._universe, self._strategies, self._clock = account, universe, strategies, clock
        self._halt_file, self._command, self._picture, self._ask_to_stop = halt_file, command, picture, ask_to_stop

    def status(self) -> dict[str, Any]:
        """Return what there is to know of the run at this moment, as JSON values."""
        return self._picture()

    async def halt(self, body: dict[str, Any]) -> dict[str, Any]:
        """Stop new positions in a scope; exits and cancels still leave. Raises Wrong."""
        _only(body, "reason", "scope")
        reason, scope = _text(body, "reason", "halted by the operator"), self._scope(body)
        await self._command(Command(verb=Verb.HALT, reason=reason, scope=scope))
        return {"halted": reason, "scope": str(scope)}

    async def resume(self, body: dict[str, Any]) -> dict[str, Any]:
        """End a halt of a scope; with scope `all` every halt, and the HALT file goes. Raises Wrong."""
        _only(body, "reason", "scope")
        reason, scope = _text(body, "reason", "resumed by the operator"), self._scope(body)
        killed = self._halt_file.look() if scope == EVERYTHING else ""
        if killed:
            # First the file, then the row: a crash between the two leaves the halt of the journal standing.
            await self._lift()
        await self._command(Command(verb=Verb.RESUME, reason=reason, scope=scope))
        return {"resumed": str(scope), "lifted": killed}

    async def flatten(self, body: dict[str, Any]) -> dict[str, Any]:
        """Halt, take back what works, close every position; once for each `id`. Stands until resumed. Raises Wrong."""
        _only(body, "id", "reason", "lift_kill")
        id_ = body.get("id")
        if not isinstance(id_, str) or not COMMAND_ID.fullmatch(id_):
            raise Wrong("flatten needs an id of up to 64 letters, digits, '.', '_' or '-': the same id acts once")
        lift = body.get("lift_kill", False)
        if not isinstance(lift, bool):
            raise Wrong("lift_kill must be true or false")
        reason = _text(body, "reason", "flattened by the operator")
        killed = self._halt_file.look()
        if killed and not lift:
            raise Wrong(
                f"no order may leave, not even an exit: {killed}; `tradebot flatten --lift-kill` lets exits leave",
                status=409,
            )
        known = id_ in self._account.conditions.halts.flattened
        holdings, orders = holdings_of(self._account), orders_of(self._account)
        await self._command(Command(verb=Verb.FLATTEN, reason=reason, id=id_))
        if killed:
            await self._lift()  # the halt is in the journal now, so entries stay out
        return {"id": id_, "known": known, "closing": holdings, "orders": orders}

    async def stop(self, body: dict[str, Any]) -> dict[str, Any]:
        """End the run as a signal would. Raises Wrong."""
        _only(body, "reason")
        self._ask_to_stop(_text(body, "reason", "stopped by the operator"))
        return {"stopping": True}

    async def watch(self) -> None:
        """Look for the HALT file until cancelled; a new one halts the desk as well, which takes its entries back."""
        told = ""
        while True:
            found = self._halt_file.look()
            if found and found != told:
                await self._command(Command(verb=Verb.HALT, reason=found, control="kill"))
            told = found
            await self._clock.sleep(WATCH_S)

    async def _lift(self) -> None:
        try:
            await asyncio.to_thread(self._halt_file.remove)
        except OSError as error:
            raise Wrong(f"{self._halt_file.path} cannot be removed: {error.strerror}", status=500) from error

    def _scope(self, body: dict[str, Any]) -> Scope:
        text = body.get("scope", EVERYTHING.text)
        scope = Scope.parse(text) if isinstance(text, str) else None
        if scope is None or (scope.is_wide and text != scope.kind):
            raise Wrong("scope must be all, account, symbol:NAME or strategy:NAME")
        if scope.is_wide:
            return scope
        known = self._universe.symbols if scope.kind is ScopeKind.SYMBOL else tuple(sorted(self._strategies))
        if scope.name not in known:
            near = get_close_matches(scope.name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise Wrong(f"this run has no {scope.kind} {scope.name[:80]!r}{hint}")
        return scope


def _only(body: dict[str, Any], *names: str) -> None:
    if unknown := sorted(set(body) - set(names)):
        raise Wrong(f"unknown field {unknown[0][:80]!r}; there are {', '.join(names)}")


def _text(body: dict[str, Any], name: str, default: str) -> str:
    text = body.get(name, default)
    if not isinstance(text, str) or len(text) > LONGEST_REASON or not text.isprintable():
        raise Wrong(f"{name} must be one line of at most {LONGEST_REASON} characters")
    return text.strip() or default
