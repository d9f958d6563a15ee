"""The profile of a venue: its rules as data. It loads nothing else, so that every verb can ask for it."""

from __future__ import annotations

from collections.abc import Mapping

from tradebot.domain.home_exchange import HOME_EXCHANGE
from tradebot.domain.message import Message


class VenueRules(Message, frozen=True):
    """The rules of a venue as data; what differs between venues is here and not in code.

    `absent_after_s`: an order not seen in two complete queries begun this long after sending was never accepted;
    `absence_is_proof` is False where the venue states no such bound and the absence is only presumed.
    `finds_by_tag`: our id comes back in the order list. `exchange` is where it trades unless an instrument says another
    one: its market's clock shows `login_ends`, the time of the day (HH:MM) at which every login ends, empty where the
    venue names none. Limits are counted per wall-clock second, minute and day.
    """

    name: str
    tag_length: int
    orders_per_second: int
    orders_per_minute: int
    orders_per_day: int
    modifications_per_order: int
    needs_protection: bool
    finds_by_tag: bool = True
    absent_after_s: float = 60.0
    absence_is_proof: bool = False
    subscriptions: int = 3000
    exchange: str = HOME_EXCHANGE
    login_ends: str = ""
    candles: Mapping[int, str] = {}  # length of a past bar in ns -> the venue's name for it
