"""Random days of an account that others use as well: no exit passes zero, and what is not ours is never sold.

The account is a model of its own, which nets lines as a venue does and shares nothing with the desk. Others trade both
products of the symbol, leave orders in the book, press our position closed, convert it, and hold shares from before.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trading.desk.account_day import Day
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import (
    Action,
    Command,
    OrderReport,
    ReconciliationResult,
)
from tradebot.domain.order import (
    Side,
)

SIZES, PRODUCTS = st.integers(1, 12), st.sampled_from(["MIS", "CNC"])
STEPS = st.one_of(
    st.tuples(st.just("enter"), st.sampled_from([Action.ENTER_LONG, Action.ENTER_SHORT]), SIZES),
    st.tuples(st.just("exit"), st.sampled_from([Action.EXIT_LONG, Action.EXIT_SHORT])),
    st.tuples(st.just("flatten")),
    st.tuples(st.just("trade"), st.integers(0, 3), st.sampled_from([3, 12]), st.booleans()),
    st.tuples(
        st.just("owner"), st.sampled_from(list(Side)), PRODUCTS, SIZES, st.sampled_from([0, 0, 4, 12]), st.booleans()
    ),
    st.tuples(st.just("press"), st.integers(1, 12), st.booleans()),
    st.tuples(st.just("convert"), st.sampled_from([("MIS", "CNC"), ("CNC", "MIS")]), SIZES),
    st.tuples(st.just("tell")),
    st.tuples(st.just("look")),
    st.tuples(st.just("wait"), st.sampled_from([0.05, 1.0, 6.0])),
)


def play(day: Day, steps: list[tuple]) -> None:  # type: ignore[type-arg]
    for number, (name, *given_) in enumerate(steps):
        day.pass_time(0.05)
        if name == "enter":
            day.signal(*given_)
        elif name == "exit":
            day.signal(given_[0], 1)
        elif name == "flatten":
            day.follow(day.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="by hand", id=f"f{number}")))
        elif name == "trade":
            place, quantity, is_told = given_
            if working := [paper for paper in day.papers if paper.left]:
                paper = working[place % len(working)]
                day.fill(paper, min(quantity, paper.left), is_told=is_told)
        elif name == "owner":
            side, product, quantity, at_once, is_told = given_
            paper = day.place("", side, product, quantity)
            day.follow(day.desk.apply_message(OrderReport(order=paper.shown(day.at), mono=day.mono)))
            if at_once:
                day.fill(paper, min(at_once, quantity), is_told=is_told)
        elif name == "press":  # the owner closes in the app what it shows, ours or not
            quantity, is_told = given_
            if held := day.net["MIS"]:
                side = Side.SELL if held > 0 else Side.BUY
                day.fill(
                    day.place("", side, "MIS", min(quantity, abs(held))), min(quantity, abs(held)), is_told=is_told
                )
        elif name == "convert":
            (of, to), quantity = given_
            day.convert(of, to, quantity)
        elif name == "tell":
            day.tell()
        elif name == "look":
            day.look()
        else:
            day.pass_time(given_[0])


@settings(max_examples=200, deadline=None)
@given(
    owned=st.sampled_from([0, 7]),
    begins=st.sampled_from([Action.ENTER_LONG, Action.ENTER_SHORT, None]),
    steps=st.lists(STEPS, max_size=25),
)
def test_no_exit_passes_zero_and_what_is_not_ours_is_never_sold(
    owned: int,
    begins: Action | None,
    steps: list[tuple],  # type: ignore[type-arg]
) -> None:
    day = Day(owned=owned)
    if begins is not None:
        day.signal(begins, 10)
        day.fill(day.papers[-1], 10, is_told=True)
    play(day, steps)
    assert all(paper.product == "MIS" for paper in day.papers if paper.tag)
    # In the end ours is closed as far as the account has it, and the books agree on who holds what.
    day.follow(day.desk.apply_message(Command(verb=CommandVerb.FLATTEN, reason="the end", id="end")))
    for paper in [paper for paper in day.papers if not paper.tag]:
        paper.is_cancelled = True
    for _ in range(12):
        day.look()
        day.pass_time(3)
        for paper in [paper for paper in day.papers if paper.left]:
            day.fill(paper, paper.left, is_told=True)
    (report,) = [output for output in day.look() if isinstance(output, ReconciliationResult)]
    ours = {position.key.netting_key: position.quantity for position in day.desk.book.positions.by_key.values()}
    beyond = {position.key.netting_key: position.quantity for position in report.external}
    for product in ("MIS", "CNC"):
        line = ("NSE", "AAA", product)
        assert ours.get(line, 0) + beyond.get(line, 0) == day.held(product)
    assert not report.differences
    assert day.desk.book.positions.open == {}
