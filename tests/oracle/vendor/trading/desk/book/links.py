"""The links to the venue as the desk knows them: data, login, and since when a missing order is evidence."""

from __future__ import annotations

from tradebot.clock import SECOND
from tradebot.domain.messages import BrokerSession, LinkDown, LinkUp

# After all links are back, time before a list without an order counts as evidence that the venue does not have it.
EVIDENCE_DELAY_NS = 5 * SECOND


class Links:
    """Which links are lost and why; all times are monotonic ns."""

    def __init__(self) -> None:
        self.stale_sources: dict[str, str] = {}  # source -> why its data is stale
        self.session_lost = ""  # why our login is no longer valid
        self.orders_refused = False  # whether an order route itself refused the login
        self.up_since_mono = 0  # since when all links are up: only a snapshot requested later covers the time before
        self.evidence_from_mono = 0  # from when on a list without an order counts as evidence

    @property
    def is_cut_off(self) -> bool:
        """Return whether a link or the login is lost; a missing order is then no evidence."""
        return bool(self.stale_sources) or bool(self.session_lost)

    def lose_link(self, link: LinkDown) -> None:
        """Note that the data of a source has become stale."""
        self.stale_sources[link.source] = link.reason

    def regain_link(self, link: LinkUp, mono: int) -> None:
        """Note that the data of a source is fresh again since `mono` (monotonic ns)."""
        was_cut_off = self.is_cut_off
        self.stale_sources.pop(link.source, None)
        self._back(mono, was_cut_off=was_cut_off)

    def take_login(self, login: BrokerSession, mono: int) -> None:
        """Note whether our login at the venue is valid since `mono` (monotonic ns)."""
        was_cut_off, was_lost = self.is_cut_off, self.session_lost
        self.session_lost, self.orders_refused = login.lost_reason, login.orders_refused
        if was_lost and not login.lost_reason:
            self._back(mono, was_cut_off=was_cut_off)

    def _back(self, mono: int, *, was_cut_off: bool) -> None:
        if self.is_cut_off:
            return
        self.up_since_mono = mono
        if was_cut_off:
            self.evidence_from_mono = mono + EVIDENCE_DELAY_NS
