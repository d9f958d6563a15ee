"""The routes of the operator's API in one table: both listeners, `/openapi.json` and the older paths come from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from tradebot.control import answers, request_types
from tradebot.control.api_paths import PREFIX
from tradebot.control.control_apis import ControlApis
from tradebot.control.operator_api import BadRequest
from tradebot.control.status_answer import StartStatusAnswer, StatusAnswer

Body = dict[str, Any]


class ApiRoute(NamedTuple):
    """One route. `name` is its last part; `answers` are the types that it may answer with.

    `takes` is the type of the parameters of a GET and of the body of a POST. `answer` gets them checked as parameters,
    unchecked as a body. With `is_old` the route is also reached by its bare name, as older command lines do.
    """

    method: str
    name: str
    summary: str
    takes: type[msgspec.Struct]
    answers: tuple[Any, ...]
    answer: Callable[[ControlApis, Any], Awaitable[Any]]
    is_old: bool = False

    @property
    def path(self) -> str:
        """Return the path of the route."""
        return f"{PREFIX}/{self.name}"

    @property
    def paths(self) -> tuple[str, ...]:
        """Return every path by which the route is reached."""
        return (self.path, f"/{self.name}") if self.is_old else (self.path,)


async def _status(apis: ControlApis, _: Any) -> Any:
    return apis.operator.current_status()


async def _positions(apis: ControlApis, _: Any) -> Any:
    return apis.lists.account.list_positions()


async def _orders(apis: ControlApis, asked: request_types.OrderParameters) -> Any:
    return apis.lists.account.list_orders(live=asked.live, limit=asked.limit, before=asked.before)


async def _trades(apis: ControlApis, asked: request_types.RowParameters) -> Any:
    return await apis.lists.journal.read_trades(limit=asked.limit, before=asked.before)


async def _signals(apis: ControlApis, asked: request_types.RowParameters) -> Any:
    return await apis.lists.journal.read_signals(limit=asked.limit, before=asked.before)


async def _bars(apis: ControlApis, asked: request_types.BarParameters) -> Any:
    lists = apis.lists
    if asked.symbol not in lists.universe:
        raise BadRequest(f"this run has no symbol {asked.symbol!r}", status=404)
    return await lists.journal.read_bars(asked.symbol, limit=asked.limit, before=asked.before)


async def _profit(apis: ControlApis, _: Any) -> Any:
    return apis.lists.account.read_profit()


async def _risk(apis: ControlApis, _: Any) -> Any:
    return apis.lists.account.read_risk()


async def _symbols(apis: ControlApis, _: Any) -> Any:
    return apis.lists.account.list_symbols()


async def _strategies(apis: ControlApis, _: Any) -> Any:
    return apis.lists.account.list_strategies()


async def _session(apis: ControlApis, _: Any) -> Any:
    return apis.lists.account.read_session()


async def _login_link(apis: ControlApis, _: Any) -> Any:
    return apis.login.current_login()


ROUTES = (
    ApiRoute(
        "GET",
        "status",
        "The state of the run, or of its start.",
        request_types.NoParameters,
        (StatusAnswer, StartStatusAnswer),
        _status,
        is_old=True,
    ),
    ApiRoute(
        "GET", "positions", "The open positions.", request_types.NoParameters, (answers.PositionList,), _positions
    ),
    ApiRoute(
        "GET",
        "orders",
        "The orders that the desk remembers, newest first.",
        request_types.OrderParameters,
        (answers.OrderList,),
        _orders,
    ),
    ApiRoute(
        "GET",
        "trades",
        "The fills in the journal, newest first.",
        request_types.RowParameters,
        (answers.TradeList,),
        _trades,
    ),
    ApiRoute("GET", "pnl", "Profit and charges.", request_types.NoParameters, (answers.ProfitAnswer,), _profit),
    ApiRoute(
        "GET",
        "signals",
        "The signals in the journal, newest first.",
        request_types.RowParameters,
        (answers.SignalList,),
        _signals,
    ),
    ApiRoute(
        "GET",
        "bars",
        "The closed bars of a symbol in this run, newest first.",
        request_types.BarParameters,
        (answers.BarList,),
        _bars,
    ),
    ApiRoute(
        "GET",
        "risk",
        "Halts, limits, what is used of them, and denials.",
        request_types.NoParameters,
        (answers.RiskAnswer,),
        _risk,
    ),
    ApiRoute("GET", "symbols", "The symbols of the run.", request_types.NoParameters, (answers.SymbolList,), _symbols),
    ApiRoute(
        "GET",
        "strategies",
        "The strategies of the run.",
        request_types.NoParameters,
        (answers.StrategyList,),
        _strategies,
    ),
    ApiRoute(
        "GET", "session", "The session and the login.", request_types.NoParameters, (answers.SessionAnswer,), _session
    ),
    ApiRoute(
        "GET",
        "login",
        "The state of the login at the broker, and the link to log in.",
        request_types.NoParameters,
        (dict[str, Any],),
        _login_link,
        is_old=True,
    ),
    ApiRoute(
        "POST",
        "halt",
        "Halt entries in a scope; exits and cancels still leave.",
        request_types.HaltBody,
        (answers.HaltedAnswer,),
        lambda a, b: a.operator.halt(b),
        is_old=True,
    ),
    ApiRoute(
        "POST",
        "resume",
        "End a halt; of everything, the one of `kill` too.",
        request_types.HaltBody,
        (answers.ResumedAnswer,),
        lambda a, b: a.operator.resume(b),
        is_old=True,
    ),
    ApiRoute(
        "POST",
        "flatten",
        "Halt, cancel entries and close every position.",
        request_types.FlattenBody,
        (answers.FlattenedAnswer,),
        lambda a, b: a.operator.flatten(b),
        is_old=True,
    ),
    ApiRoute(
        "POST",
        "cancel",
        "Cancel one order of ours.",
        request_types.CancelBody,
        (answers.CancelledAnswer,),
        lambda a, b: a.run_operator.cancel_order(b),
    ),
    ApiRoute(
        "POST",
        "pause",
        "Halt the entries of one strategy.",
        request_types.PauseBody,
        (answers.HaltedAnswer,),
        lambda a, b: a.run_operator.pause(b),
    ),
    ApiRoute(
        "POST",
        "unpause",
        "End the halt of one strategy.",
        request_types.PauseBody,
        (answers.ResumedAnswer,),
        lambda a, b: a.run_operator.unpause(b),
    ),
    ApiRoute(
        "POST",
        "reload",
        "Take up the changed settings of the config, whole or not at all.",
        request_types.ReloadBody,
        (answers.ReloadedAnswer,),
        lambda a, b: a.reload(b),
    ),
    ApiRoute(
        "POST",
        "stop",
        "End the run, as a signal does.",
        request_types.StopBody,
        (answers.StoppingAnswer,),
        lambda a, b: a.operator.stop(b),
        is_old=True,
    ),
    ApiRoute(
        "POST",
        "login",
        "Exchange the request token of the broker's login.",
        request_types.LoginBody,
        (dict[str, Any],),
        lambda a, b: a.login.login(b),
        is_old=True,
    ),
)


def parameters_of(takes: type[msgspec.Struct], query: list[tuple[str, str]]) -> Any:
    """Return the parameters of a GET, checked. Raises BadRequest."""
    found = dict(query)
    if len(found) != len(query):
        raise BadRequest("a parameter is given twice")
    try:
        return msgspec.convert(found, takes, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(str(error)) from error
