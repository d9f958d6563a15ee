"""The links to the venue, as the desk knows them: data, login, and since when what is not shown is evidence."""

from __future__ import annotations

from tradebot.clock import SECOND
from tradebot.domain.messages import BrokerSession, LinkDown, LinkUp

BACK_FOR = 5 * SECOND  # that the venue is there again until an order it does not show may count as missing


class Links:
    """Which links are lost and why; times are monotonic ns."""

    def __init__(self) -> None:
        self.down: dict[str, str] = {}  # source -> why its data is stale
        self.session_lost = ""  # why the venue does not know our login any more
        self.orders_refused = False  # and an order route itself said so
        self.up_at = 0  # since when all links are there: only books asked for later tell of the time before
        self.shown_from = 0  # from when on what the venue does not show is evidence, after it could not be asked

    @property
    def is_cut_off(self) -> bool:
        """True while a link or the session is lost: what the venue does not show is no evidence."""
        return bool(self.down) or bool(self.session_lost)

    def lose(self, link: LinkDown) -> None:
        """Note that the data of a source is stale."""
        self.down[link.source] = link.reason

    def regain(self, link: LinkUp, mono: int) -> None:
        """Note that the data of a source is fresh again at `mono`."""
        was_cut_off = self.is_cut_off
        self.down.pop(link.source, None)
        self._back(mono, was_cut_off=was_cut_off)

    def take_login(self, told: BrokerSession, mono: int) -> None:
        """Note whether the venue knows our login at `mono`."""
        was_cut_off, was_lost = self.is_cut_off, self.session_lost
        self.session_lost, self.orders_refused = told.lost_reason, told.orders_refused
        if was_lost and not told.lost_reason:
            self._back(mono, was_cut_off=was_cut_off)

    def _back(self, mono: int, *, was_cut_off: bool) -> None:
        if self.is_cut_off:
            return
        self.up_at = mono
        if was_cut_off:
            self.shown_from = mono + BACK_FOR
