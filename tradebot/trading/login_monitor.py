"""The login monitor: finds out whether the venue still accepts our login, and tells the desk.

A refusal by the stream or a route is only a suspicion: a gateway's page or a missing right may look the same. One route
decides, the account's own profile. A lost login never ends the process: the stops of open positions are still judged,
and exits are tried until an order route itself says that the login is dead. The login counts as lost until the venue
accepts it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal

from tradebot.clock import SECOND, Clock
from tradebot.domain.messages import BrokerSession
from tradebot.errors import AccessDenied, LinkLost
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.venue import ExitsRefused, SessionLost, SessionRestored

# Wall seconds between two checks of a lost login; each pause is twice the one before, up to the second number
FIRST_RETRY_S, MAX_RETRY_S = 0.5, 60.0
LOOK_EVERY_S = 0.5  # wall seconds between two looks for new keys in such a pause
VALID_FOR_S = 2.0  # wall seconds for which a good answer holds, however many suspicions come


class LoginMonitor:
    """The only writer of the login's state. `check_login` calls the route that decides; `post` takes each change.

    `tell` takes events for the operator. `open_quantities` returns symbol -> signed quantity. `on_restored` is called
    when the venue accepts the login again.
    """

    def __init__(
        self,
        *,
        check_login: Callable[[], Awaitable[object]],
        clock: Clock,
        post: Callable[[BrokerSession], None],
        tell: EventListener,
        open_quantities: Callable[[], Mapping[str, Decimal]],
        on_restored: Callable[[], None] = lambda: None,
    ) -> None:
        self._check_login, self._clock, self._post, self._tell, self._open_quantities = (
            check_login,
            clock,
            post,
            tell,
            open_quantities,
        )
        self._on_restored = on_restored
        # Called with the state after each change, and after each check that finds the login lost still.
        self.on_checked: Callable[[BrokerSession], None] = lambda _: None
        self._suspected, self._is_renewed = asyncio.Event(), False
        self.state = BrokerSession(mono=0)

    def check_soon(self) -> None:
        """Check the login soon."""
        self._suspected.set()

    def check_renewed(self) -> None:
        """Check the login at once: there are new keys."""
        self._is_renewed = True
        self._suspected.set()

    def on_orders_refused(self, reason: str) -> None:
        """Note that an order route itself says that the login is dead, and check the login soon."""
        self._on_lost(reason, orders_refused=True)
        self._suspected.set()

    async def run_checks(self) -> None:
        """Check the login after each suspicion, until the venue accepts it; runs for ever."""
        while True:
            await self._suspected.wait()
            self._suspected.clear()
            pause = FIRST_RETRY_S
            while not await self._is_valid():
                await self._wait_for_renewal(pause)
                pause = min(2 * pause, MAX_RETRY_S)
            await self._clock.sleep(VALID_FOR_S)

    async def _wait_for_renewal(self, pause_s: float) -> None:
        # New keys end the pause.
        until = self._clock.monotonic_ns() + round(pause_s * SECOND)
        while not self._is_renewed and (left := until - self._clock.monotonic_ns()) > 0:
            await self._clock.sleep(min(left / SECOND, LOOK_EVERY_S))
        self._is_renewed = False

    async def _is_valid(self) -> bool:
        try:
            await self._check_login()
        except AccessDenied as error:
            self._on_lost(str(error), orders_refused=self.state.orders_refused)
            self.on_checked(self.state)
            return False
        except LinkLost:
            return False  # no answer, or a gateway's page: the venue itself has said nothing
        if self.state.lost_reason:
            self._tell(SessionRestored())
            self._change(BrokerSession(mono=self._clock.monotonic_ns()))
            self._on_restored()
        return True

    def _on_lost(self, reason: str, *, orders_refused: bool) -> None:
        # Nothing happens if both are known already. The first reason stays.
        was = self.state
        if was.lost_reason and was.orders_refused == orders_refused:
            return
        positions = {symbol: str(quantity) for symbol, quantity in self._open_quantities().items()}
        if not was.lost_reason:
            self._tell(SessionLost(reason=reason, positions=positions))
        if orders_refused:
            self._tell(ExitsRefused(reason=reason, positions=positions))
        self._change(
            BrokerSession(
                mono=self._clock.monotonic_ns(), lost_reason=was.lost_reason or reason, orders_refused=orders_refused
            )
        )

    def _change(self, state: BrokerSession) -> None:
        self.state = state
        self._post(state)
        self.on_checked(state)
