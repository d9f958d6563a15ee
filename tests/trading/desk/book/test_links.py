"""Links and sessions as the desk knows them: what is lost, since when all is back, and which day it is."""

from __future__ import annotations

from tests.trading.desk.desk_rig import session_with_early_end
from tradebot.clock import SECOND
from tradebot.domain.messages import BrokerSession, LinkDown, LinkUp
from tradebot.trading.desk.book.conditions import Conditions
from tradebot.trading.desk.book.links import Links
from tradebot.trading.desk.book.session_times import SessionTimes


def test_what_is_not_shown_is_evidence_five_seconds_after_the_last_of_several_links_is_back() -> None:
    conditions = Conditions()
    links = conditions.links
    assert (links.up_since_mono, links.evidence_from_mono, links.is_cut_off) == (0, 0, False)
    for source in ("kite", "orders"):
        conditions.lose_link(LinkDown(source=source, mono=0, reason="silent"))
    assert (links.stale_sources, links.is_cut_off) == ({"kite": "silent", "orders": "silent"}, True)
    for source, mono, up_at in (("kite", 10 * SECOND, 0), ("orders", 12 * SECOND, 12 * SECOND)):
        conditions.advance_to(0, mono)
        conditions.regain_link(LinkUp(source=source, mono=mono))
        assert (links.up_since_mono, links.evidence_from_mono) == (up_at, up_at and up_at + 5 * SECOND)
    conditions.advance_to(7, 11 * SECOND)
    assert (conditions.now, conditions.mono) == (7, 12 * SECOND), "our time does not go back"
    conditions.regain_link(LinkUp(source="kite", mono=0))
    assert links.evidence_from_mono == 17 * SECOND, "one that was there already changes nothing of that"


def test_a_login_is_lost_and_back_and_lost_links_outlast_it() -> None:
    links = Links()
    links.take_login(BrokerSession(mono=0), 3 * SECOND)
    assert (links.up_since_mono, links.evidence_from_mono) == (0, 0), "it was never lost"
    links.take_login(BrokerSession(mono=0, lost_reason="dead", orders_refused=True), 4 * SECOND)
    links.take_login(BrokerSession(mono=0, lost_reason="dead"), 5 * SECOND)
    assert (links.session_lost, links.orders_refused, links.up_since_mono, links.is_cut_off) == ("dead", False, 0, True)
    links.lose_link(LinkDown(source="kite", mono=0, reason="silent"))
    links.take_login(BrokerSession(mono=0), 6 * SECOND)
    assert (links.session_lost, links.up_since_mono, links.is_cut_off) == ("", 0, True)
    links.regain_link(LinkUp(source="kite", mono=0), 8 * SECOND)
    assert (links.up_since_mono, links.evidence_from_mono, links.is_cut_off) == (8 * SECOND, 13 * SECOND, False)


def test_a_login_that_is_back_is_evidence_after_five_seconds() -> None:
    conditions = Conditions()
    for mono, lost in ((4 * SECOND, "dead"), (6 * SECOND, "")):
        conditions.advance_to(0, mono)
        conditions.take_login(BrokerSession(mono=0, lost_reason=lost))
        assert conditions.links.session_lost == lost
    links = conditions.links
    assert (links.up_since_mono, links.evidence_from_mono) == (6 * SECOND, 11 * SECOND)


def test_another_day_begins_with_another_opening_and_the_newest_close_that_is_over_is_known() -> None:
    times = SessionTimes()
    assert (times.day_opens_at, times.closed_at, times.square_off_at) == (0, 0, 0)
    assert times.begin_session(session_with_early_end(5 * SECOND), 0)
    assert not times.begin_session(session_with_early_end(5 * SECOND), 0), "the same day again"
    times.end_if_over(1005 * SECOND - 1)
    assert times.closed_at == 0
    times.end_if_over(1005 * SECOND)
    assert times.closed_at == 1005 * SECOND
    assert times.begin_session(session_with_early_end(2 * SECOND), 2000 * SECOND)
    times.end_if_over(2000 * SECOND)
    assert (times.closed_at, times.day_opens_at) == (1005 * SECOND, 2 * SECOND)
    following = SessionTimes()
    following.begin_session(session_with_early_end(0), 0)
    following.begin_session(session_with_early_end(2000 * SECOND), 1000 * SECOND)
    assert following.closed_at == 1000 * SECOND, "the session before it is over with it"
