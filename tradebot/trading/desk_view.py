"""What the stages around the desk read of it between two messages: what is open, what lives, what is guarded."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from tradebot.domain.instrument import Universe
from tradebot.trading.desk.account_view import AccountView


class DeskView:
    """Answers from the desk's own state and changes nothing."""

    def __init__(self, account: AccountView, universe: Universe) -> None:
        self._account, self._universe = account, universe

    def has_live(self) -> bool:
        """Return whether an order of ours may still fill."""
        return next(self._account.live_orders(), None) is not None

    def is_exposed(self) -> bool:
        """Return whether an order lives or a position is open.

        A position of ours may be closed or converted by another hand, and conversions show in the books alone.
        """
        return self.has_live() or bool(self._account.open_symbols)

    def held(self) -> dict[str, Decimal]:
        """Return symbol -> signed quantity of what is open."""
        return {symbol: quantity for symbol, (quantity, _) in self._account.holdings().items()}

    def held_ids(self) -> Iterator[int]:
        """Yield the instruments of the run in which something is open."""
        return (self._universe.ids[s] for s in self._account.open_symbols if s in self._universe)

    @property
    def guarded(self) -> npt.NDArray[np.bool_]:
        """Instrument -> whether a stop watches over it."""
        return self._account.guarded

    def look_wanted_at(self) -> int | None:
        """Return the monotonic time from which a look at the books may end a doubt, None without one."""
        return self._account.look_wanted_at()
