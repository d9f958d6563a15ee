"""Kite's list of GTT orders, which the broker adds to its list of orders: when it is read, and what a failure means."""

from __future__ import annotations

from tradebot.clock import SECOND, Clock
from tradebot.domain.order import VenueOrder
from tradebot.domain.venue_rows import UnreadRow, VenueRows
from tradebot.errors import LinkLost
from tradebot.venues.kite.gtt import GTT_PATH, parse_gtts
from tradebot.venues.kite.responses import classify_response, failure_of_read, is_not_offered
from tradebot.venues.kite.session import RestSession, parse_book

# An order of ours that is missing from the lists for `absent_after_s` (55 s) counts as absent. This is less, so that a
# GTT which a first answer left out is asked for again before that.
EVERY_NS = 30 * SECOND


class GttList:
    """Reads the GTT orders over `session`; never where `is_offered` is False, as at the official sandbox.

    They cost a request of their own at each look at the orders, so they are read each time only while the account may
    have one: once this process has sent one or a read has shown one, of whatever status. Until then the first look
    reads them, and later ones do each 30 s.
    """

    def __init__(self, session: RestSession, clock: Clock, *, is_offered: bool) -> None:
        self._session, self._clock, self._is_offered = session, clock, is_offered
        self._may_exist = False
        self._asked_at: int | None = None  # monotonic ns of the last read that was answered
        self._refusal: tuple[UnreadRow, ...] = ()  # of an account or a venue that does not offer the list

    def expect_gtts(self) -> None:
        """Note that the account may have a GTT from now on."""
        self._may_exist = True

    async def fetch_gtts(self) -> VenueRows[VenueOrder]:
        """Return the GTT orders of every status that Kite still lists; none where it is not time to read them.

        Where the venue or the account does not offer the list, or where it cannot be read while the account has no GTT,
        the result is one unread row with the reason: the list of orders must not depend on it. Otherwise a failure
        raises LinkLost, because a list without a GTT that exists would say that it is gone. Raises LoginLost too.
        """
        now = self._clock.monotonic_ns()
        if not self._is_offered or not self._is_due(now):
            return VenueRows((), self._refusal)
        try:
            status, body = await self._session.get_response(GTT_PATH, kind="query")
            answer = classify_response(status, body) if status >= 400 else None
            if answer is not None and is_not_offered(answer):
                failure = failure_of_read(GTT_PATH, answer)
                self._asked_at, self._refusal = now, (UnreadRow(book="gtt", reason=str(failure)),)
                return VenueRows((), self._refusal)
            gtts = await parse_book(GTT_PATH, (status, body), parse_gtts)
        except LinkLost as error:
            if self._may_exist or self._asked_at is None:
                raise
            self._asked_at = now
            return VenueRows((), (UnreadRow(book="gtt", reason=str(error)),))
        self._asked_at, self._refusal = now, ()
        self._may_exist = self._may_exist or bool(gtts or gtts.unread)
        return gtts

    def _is_due(self, now: int) -> bool:
        return self._asked_at is None or now - self._asked_at >= EVERY_NS or (self._may_exist and not self._refusal)
