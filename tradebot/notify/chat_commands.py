"""The commands of the chat: what each asks of the daemon, and which act only after a code was sent back."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Protocol

from tradebot.clock import SECOND, Clock
from tradebot.errors import TradebotError
from tradebot.notify.chat_text import describe_pnl, describe_positions, describe_status

CONFIRM_WITHIN_S = 60.0
FAILURES = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
CODES = 10_000  # a code has four digits; one wrong try ends it
MAX_REASON_CHARS = 200
HELP = """/status how it stands
/pnl the day's figures
/positions what is open
/halt REASON no new positions, at once
/resume REASON ends halts, after a code
/flatten closes every position, after a code
/login the link to the broker's page; /login ADDRESS takes what came back
/help this list"""


class Operator(Protocol):
    """What the chat may ask of a run. Each call raises TradebotError with a sentence where it is refused."""

    def current_status(self) -> Mapping[str, Any]:
        """Return the status as `tradebot status --json` has it."""
        ...

    async def halt(self, body: dict[str, Any]) -> dict[str, Any]:
        """Halt entries."""
        ...

    async def resume(self, body: dict[str, Any]) -> dict[str, Any]:
        """End the halts."""
        ...

    async def flatten(self, body: dict[str, Any]) -> dict[str, Any]:
        """Close every position."""
        ...

    def login_link(self) -> Mapping[str, Any]:
        """Return state and address of the login."""
        ...

    async def take_login(self, text: str) -> Mapping[str, Any]:
        """Log in with what came back from the broker's page."""
        ...


class _Unconfirmed(NamedTuple):
    code: str
    until_mono: int
    what: str
    act: Callable[[], Awaitable[str]]


class ChatCommands:
    """Carries out commands of the one chat that is listened to. `draw_code` returns a number below its argument."""

    def __init__(self, operator: Operator, *, clock: Clock, draw_code: Callable[[int], int]) -> None:
        self._operator, self._clock, self._draw_code = operator, clock, draw_code
        self._unconfirmed: _Unconfirmed | None = None

    async def answer_command(self, text: str, *, id_: str) -> str:
        """Carry out the command in `text` and return what happened; `id_` makes a repeated flatten the same one."""
        name, rest = command_of(text)
        try:
            return await self._carry_out(name, rest, id_)
        except TradebotError as error:
            return f"Refused: {error}"
        except FAILURES as error:  # one command fails; the next one must still be heard
            return f"Failed ({type(error).__name__}: {error}). Look at /status, or use the command line."

    async def _carry_out(self, name: str, rest: str, id_: str) -> str:
        reason = rest[:MAX_REASON_CHARS]
        match name:
            case "status":
                return describe_status(self._operator.current_status())
            case "pnl":
                return describe_pnl(self._operator.current_status())
            case "positions":
                return describe_positions(self._operator.current_status())
            case "halt":
                self._unconfirmed = None  # a resume that waits for its code must not follow a halt
                done = await self._operator.halt({"reason": reason or "halted by chat"})
                return f"Halted: {done['halted']}. No new positions; exits and cancels go on. /resume ends it."
            case "resume":
                return self._ask(
                    "resume", "ends every halt, the kill file's too", lambda: self._resume(reason or "resumed by chat")
                )
            case "flatten":
                return self._ask(
                    "flatten", "closes every position at the market, and halts", lambda: self._flatten(id_)
                )
            case "login":
                return await self._login(rest)
            case "yes":
                return await self._confirm(rest)
            case _:
                return HELP

    def _ask(self, name: str, meaning: str, act: Callable[[], Awaitable[str]]) -> str:
        code = f"{self._draw_code(CODES):04d}"
        until = self._clock.monotonic_ns() + int(CONFIRM_WITHIN_S * SECOND)
        self._unconfirmed = _Unconfirmed(code, until, name, act)
        return f"/{name} {meaning}. Send /yes {code} within {CONFIRM_WITHIN_S:g} s to do it."

    async def _confirm(self, code: str) -> str:
        asked, self._unconfirmed = self._unconfirmed, None
        if asked is None:
            return "Nothing waits for a code."
        if self._clock.monotonic_ns() > asked.until_mono:
            return f"Too late: the code of /{asked.what} has ended. Nothing was done."
        if code != asked.code:
            return f"That is not the code of /{asked.what}. Nothing was done; send /{asked.what} again."
        return await asked.act()

    async def _resume(self, reason: str) -> str:
        done = await self._operator.resume({"reason": reason})
        lifted = f" The kill is lifted: {done['lifted']}." if done.get("lifted") else ""
        return f"Resumed: {done['resumed']}.{lifted}"

    async def _flatten(self, id_: str) -> str:
        done = await self._operator.flatten({"id": id_, "reason": "flattened by chat"})
        closing = [f"{row['symbol']} {row['quantity']}" for row in done["closing"]]
        return f"Flattening: {', '.join(closing) or 'nothing is open'}. Halted until /resume; look at /positions."

    async def _login(self, text: str) -> str:
        if text:
            done = await self._operator.take_login(text)
            return f"Login: {done.get('state', 'taken')}."
        link = self._operator.login_link()
        return (
            f"Login {link.get('state', '')}: open {link.get('address', 'the page of the broker')}\n"
            "and send /login with the whole address to which the browser comes back."
        )


def command_of(text: str) -> tuple[str, str]:
    """Return the command of a message without slash and bot name, in small letters, and what follows it."""
    found = re.match(r"\s*/([A-Za-z]{1,20})(?:@\w{1,64})?(?:\s+(.*))?\s*$", text, re.DOTALL)
    return (found[1].lower(), " ".join((found[2] or "").split())) if found else ("", "")
