"""The chat's way to the operator's API of a run, with a time limit on each command and errors as sentences."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tradebot.control.control_apis import ControlApis
from tradebot.control.operator_api import BadRequest, OperatorApi
from tradebot.control.start_api import StartApi
from tradebot.errors import DaemonUnavailable, RequestRefused

CONFIRMED_WITHIN_S = 5.0  # as the control socket has it


class ChatOperator:
    """Asks the API that `apis` returns, None before there is one. Raises RequestRefused or DaemonUnavailable."""

    def __init__(self, apis: Callable[[], ControlApis | None]) -> None:
        self._find_apis = apis

    def current_status(self) -> Mapping[str, Any]:
        return self._operator().current_status()

    async def halt(self, body: dict[str, Any]) -> dict[str, Any]:
        return await _confirmed(self._operator().halt(body))

    async def resume(self, body: dict[str, Any]) -> dict[str, Any]:
        return await _confirmed(self._operator().resume(body))

    async def flatten(self, body: dict[str, Any]) -> dict[str, Any]:
        return await _confirmed(self._operator().flatten(body))

    def login_link(self) -> Mapping[str, Any]:
        try:
            return self._apis().login.current_login()
        except BadRequest as error:
            raise RequestRefused(str(error)) from error

    async def take_login(self, text: str) -> Mapping[str, Any]:
        return await _confirmed(self._apis().login.login({"text": text}))

    def _operator(self) -> OperatorApi | StartApi:
        return self._apis().operator

    def _apis(self) -> ControlApis:
        if (apis := self._find_apis()) is None:
            raise DaemonUnavailable("the daemon is just starting; ask again in a moment")
        return apis


async def _confirmed(asked: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    try:
        async with asyncio.timeout(CONFIRMED_WITHIN_S):
            return await asked
    except BadRequest as error:
        raise RequestRefused(str(error)) from error
    except TimeoutError as error:
        told = f"not confirmed within {CONFIRMED_WITHIN_S:g} s; it may still take effect: ask /status"
        raise DaemonUnavailable(told) from error
