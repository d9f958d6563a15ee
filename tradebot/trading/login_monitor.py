"""The session watch: whether the venue still knows our login. It asks; its word is a message to the desk.

A refusal of the stream or of a route is a suspicion, which a gateway's page or another right may cause as well. One
route decides, the account's own profile. A lost session is a state and never the end of the process: what is open is
still guarded, and exits are tried until an order route itself says that the login is dead. It is over by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal

from tradebot.clock import Clock
from tradebot.domain.messages import BrokerSession
from tradebot.errors import AccessDenied, LinkLost
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.venue import ExitsRefused, SessionLost, SessionRestored

FIRST_RETRY_S, MAX_RETRY_S = 0.5, 60.0  # between two questions: a login that is dead stays so on most days
VALID_FOR_S = 2.0  # that the answer stands, however many suspicions come


class LoginMonitor:
    """The one writer of the session's state. `check_login` is the route that decides; `post` takes each change.

    `tell` takes what the operator should read, `open_quantities` returns symbol -> signed quantity of what is open then.
    """

    def __init__(
        self,
        *,
        check_login: Callable[[], Awaitable[object]],
        clock: Clock,
        post: Callable[[BrokerSession], None],
        tell: EventListener,
        open_quantities: Callable[[], Mapping[str, Decimal]],
    ) -> None:
        self._ask, self._clock, self._post, self._tell, self._held = check_login, clock, post, tell, open_quantities
        self._suspected = asyncio.Event()
        self.state = BrokerSession(mono=0)

    def check_soon(self) -> None:
        """Find out whether the session is lost."""
        self._suspected.set()

    def on_orders_refused(self, reason: str) -> None:
        """Note that an order route itself says that the login is dead."""
        self._on_lost(reason, orders_refused=True)
        self._suspected.set()

    async def run_checks(self) -> None:
        """Ask whenever there is a suspicion, until the venue has answered that the session holds."""
        while True:
            await self._suspected.wait()
            self._suspected.clear()
            pause = FIRST_RETRY_S
            while not await self._is_valid():
                await self._clock.sleep(pause)
                pause = min(2 * pause, MAX_RETRY_S)
            await self._clock.sleep(VALID_FOR_S)

    async def _is_valid(self) -> bool:
        try:
            await self._ask()
        except AccessDenied as error:
            self._on_lost(str(error), orders_refused=self.state.orders_refused)
            return False
        except LinkLost:
            return False  # silence, or the page of a gateway: no word of the venue's
        if self.state.lost_reason:
            self._tell(SessionRestored())
            self._change(BrokerSession(mono=self._clock.monotonic_ns()))
        return True

    def _on_lost(self, reason: str, *, orders_refused: bool) -> None:
        was = self.state
        if was.lost_reason and was.orders_refused == orders_refused:
            return
        positions = {symbol: str(quantity) for symbol, quantity in self._held().items()}
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
