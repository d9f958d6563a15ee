"""The login of a start: saved keys first, then those of the settings; where neither counts, it waits for a person."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from tradebot.clock import Clock
from tradebot.daemon.login.broker_login import BrokerLogin
from tradebot.daemon.start_retry import STOP_POLL_S, StartRetry
from tradebot.domain.instrument import Universe
from tradebot.domain.products import DELIVERY
from tradebot.domain.venue_reports import DEMAT_CONSENT
from tradebot.errors import AccessDenied, LinkLost, LoginLost, StoppedEarly
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.login import DematConsentLacked, MarketDataDenied, RightsLacked
from tradebot.ops.events.venue import LoginFailed
from tradebot.venues.venue import VenueReader

NO_ANSWER = "the venue did not answer"
NO_KEYS = "there is no login of today yet"


class StartHooks(NamedTuple):
    """What a start tells the process around it.

    `on_step` is called after each step that may take long. `stopped` returns True once the operator wants the end.
    `on_login` gets the login of a venue that has one, before it is used. `on_login_needed` is called when the start
    waits for a login. With `may_wait` False it ends instead.
    """

    on_step: Callable[[], None] = lambda: None
    stopped: Callable[[], bool] = lambda: False
    on_login: Callable[[BrokerLogin], None] = lambda _: None
    on_login_needed: Callable[[BrokerLogin], None] = lambda _: None
    may_wait: bool = True


async def account_of_login(
    reader: VenueReader, login: BrokerLogin | None, *, start_retry: StartRetry, hooks: StartHooks, clock: Clock
) -> str:
    """Return the account id once the venue accepts a login; wait for one without a limit.

    From then on `start_retry` waits as well where the venue ends the login before the start is over.
    Raises LoginLost where no login is possible here, KeysRefused for a wrong key or secret, VenueUnavailable, and
    StoppedEarly when the operator stops the wait.
    """

    async def ask() -> str:
        return await start_retry.ask_with_login(reader.fetch_account_id, failed=LoginFailed, gave_up=NO_ANSWER)

    if login is None:
        return await ask()
    hooks.on_login(login)
    reason = NO_KEYS
    for came_from, take_keys in (("saved", login.take_saved), ("setting", login.take_given)):
        if not take_keys():
            continue
        try:
            account = await ask()
        except LoginLost as error:
            reason = str(error)
            continue
        login.on_accepted(account, came_from=came_from)
        break
    else:
        account = await _wait_for_login(ask, login, reason, seen=login.login_count, hooks=hooks, clock=clock)

    async def wait_again(reason: str) -> bool:
        before = login.login_count
        now = await _wait_for_login(ask, login, reason, seen=None, hooks=hooks, clock=clock)
        if now != account:
            raise AccessDenied(f"the login is of account {now}, but this start is of account {account}; start again")
        return login.login_count != before

    start_retry.await_login = wait_again
    return account


async def report_rights(reader: VenueReader, universe: Universe, *, product: str, tell: EventListener) -> None:
    """Tell the operator what the account, or the plan of the app, lacks for this run: a right to trade, market data."""
    first = Universe([universe[0]])
    try:
        profile = await reader.fetch_profile()
        wanted = {instrument.exchange for instrument in universe if instrument.is_tradable}
        missing = sorted(wanted - set(profile.exchanges)) if profile.exchanges else []
        missing += [product] if profile.products and product not in profile.products else []
        if missing:
            tell(RightsLacked(missing=missing))
        if product == DELIVERY and profile.consent not in ("", DEMAT_CONSENT):
            tell(DematConsentLacked(consent=profile.consent))
        await reader.fetch_quotes(first)
    except LoginLost:
        return  # the login monitor finds out
    except AccessDenied as error:
        tell(MarketDataDenied(reason=str(error)))
    except LinkLost:
        return  # the feed says more


async def _wait_for_login(
    ask: Callable[[], Awaitable[str]],
    login: BrokerLogin,
    reason: str,
    *,
    seen: int | None,
    hooks: StartHooks,
    clock: Clock,
) -> str:
    # `seen` logins were refused so far; None to ask first, because the keys may be newer than the refused ones.
    while True:
        if login.login_count == seen:
            await _wait_for_another(login, reason, hooks, clock)
        # Counted before the question: while it is under way, another login may end the keys that it was sent with.
        seen = login.login_count
        try:
            account = await ask()
        except LoginLost as error:
            reason = str(error)
            continue
        return account


async def _wait_for_another(login: BrokerLogin, reason: str, hooks: StartHooks, clock: Clock) -> None:
    if not (login.can_log_in and hooks.may_wait):
        raise LoginLost(f"{reason}; run `tradebot login {login.place.adapter.name}` while the daemon runs")
    seen = login.login_count
    login.on_lost(reason)
    hooks.on_login_needed(login)
    while login.login_count == seen:
        if login.fatal is not None:
            raise login.fatal
        if hooks.stopped():
            raise StoppedEarly("stopped while it waited for a login; nothing was sent")
        login.remind_if_due()
        await clock.sleep(STOP_POLL_S)
