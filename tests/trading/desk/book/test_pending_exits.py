"""Pending exits: of how many wishes all are tried, and which are tried next where there are more."""

from __future__ import annotations

from tradebot.domain.order import OrderPurpose
from tradebot.trading.desk.book.pending_exits import MAX_EXITS_AT_ONCE, PendingExits


def wanted(count: int) -> tuple[PendingExits, list[str]]:
    exits, names = PendingExits(), [f"S{i:03d}" for i in range(count)]
    for name in names:
        exits.request_exit(name, OrderPurpose.EXIT, "flat")
    return exits, names


def test_of_as_many_as_leave_at_once_those_that_were_asked_for_are_tried() -> None:
    exits, names = wanted(MAX_EXITS_AT_ONCE)
    assert exits.next_batch(names[5:7]) == names[5:7]
    assert exits.next_batch(["elsewhere"]) == []


def test_of_more_some_are_tried_and_the_others_before_them_the_next_time() -> None:
    exits, names = wanted(MAX_EXITS_AT_ONCE + 3)
    assert exits.next_batch(names) == names[:MAX_EXITS_AT_ONCE]
    assert exits.next_batch(names) == [*names[MAX_EXITS_AT_ONCE:], *names[: MAX_EXITS_AT_ONCE - 3]]


def test_the_first_reason_stands_and_a_wish_that_works_is_left_alone_until_something_is_heard() -> None:
    exits, (name,) = wanted(1)
    exits.request_exit(name, OrderPurpose.FLATTEN, "later")
    assert exits.requested == {name: (OrderPurpose.EXIT, "flat")}
    exits.mark_working(name)
    assert exits.next_batch([name]) == []
    exits.mark_changed("elsewhere")
    assert exits.next_batch([name, "elsewhere"]) == []
    exits.mark_changed(name)
    assert exits.next_batch([name]) == [name]
    exits.holders[name] = "s"
    exits.forget_symbol(name)
    assert (exits.requested, exits.holders, exits.next_batch([name])) == ({}, {}, [])
