"""I29 by hand: what the owner did to the account, what an exit of ours may still close, and what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checker.records import RUN, Records
from tradebot.checker.promises import judge_records
from tradebot.checker.verdict import PromiseVerdict

EXIT = f"{RUN}00009"
OWNER = ""


class Account(Records):
    """A day in one share, told by the venue alone but for the intent of the exit."""

    def __init__(self) -> None:
        super().__init__()
        self.line("session", account="SIM", cash="50000", resumed=False, holdings=[])
        self.start()
        for _ in range(3):
            self.look_at_positions()

    def trade(self, tag: str, side: str, quantity: int, *, product: str = "MIS", exchange: str = "NSE") -> None:
        self.now += 1_000_000_000
        number = str(len(self.lines))
        ticket = {"symbol": "TCS", "side": side, "quantity": str(quantity), "tag": tag}
        self.line("order", order_id=number, ticket=ticket, status="COMPLETE", filled=str(quantity), placed_at=self.now,
                  changed_at=self.now)  # fmt: skip
        self.line("fill", trade_id=number, order_id=number, traded_at=self.now, charges="0", symbol="TCS", side=side,
                  exchange=exchange, quantity=str(quantity), price="100", product=product)  # fmt: skip

    def convert(self, quantity: int) -> None:
        self.line("conversion", exchange="NSE", symbol="TCS", side="BUY", quantity=str(quantity), was="MIS",
                  becomes="CNC")  # fmt: skip

    def look_at_positions(self) -> None:
        self.line("request", method="GET", path="/portfolio/positions", params={}, status=200)

    def exit(self, quantity: int, side: str = "SELL", *, order_id: str = EXIT) -> None:
        self.order(order_id, side, "exit")
        self.order_event(order_id, "sending")
        self.create(order_id, side, str(quantity))


def verdict(account: Account, folder: Path) -> PromiseVerdict:
    (folder / "journal.sqlite3").unlink(missing_ok=True)
    journal, log = account.write(folder)
    return next(v for v in judge_records(journal, against=log) if v.promise == "I29")


def of_ten() -> Account:
    account = Account()
    account.trade(f"{RUN}00001", "BUY", 10)
    return account


def test_an_exit_closes_what_is_ours(tmp_path: Path) -> None:
    account = of_ten()
    account.exit(10)
    assert verdict(account, tmp_path).status == "ok"


@pytest.mark.parametrize("looks", [0, 1, 2])
def test_shares_of_the_owner_are_never_sold_as_ours(looks: int, tmp_path: Path) -> None:
    account = of_ten()
    account.trade(OWNER, "BUY", 5)
    for _ in range(looks):
        account.look_at_positions()
    account.exit(15)
    assert "of which 10 long was ours at most" in verdict(account, tmp_path).evidence


@pytest.mark.parametrize(("product", "exchange"), [("CNC", "NSE"), ("MIS", "BSE")])
def test_what_is_held_in_another_product_or_elsewhere_covers_no_exit(
    product: str, exchange: str, tmp_path: Path
) -> None:
    account = Account()
    account.trade(OWNER, "BUY", 10, product=product, exchange=exchange)
    account.exit(10)
    assert "of which the account was 0 long at most" in verdict(account, tmp_path).evidence


@pytest.mark.parametrize(("looks", "ruling"), [(0, "ok"), (1, "ok"), (2, "broken")])
@pytest.mark.parametrize("way", ["closes", "converts"])
def test_what_the_owner_took_is_not_closed_once_two_looks_could_tell(
    looks: int, ruling: str, way: str, tmp_path: Path
) -> None:
    account = of_ten()
    if way == "closes":
        account.trade(OWNER, "SELL", 10)
    else:
        account.convert(10)
    for _ in range(looks):
        account.look_at_positions()
    account.exit(10)
    assert verdict(account, tmp_path).status == ruling


def test_an_answer_that_a_fault_spoiled_tells_nothing(tmp_path: Path) -> None:
    account = of_ten()
    account.convert(10)
    for _ in range(5):
        account.line("fault", name="html", where="positions", n=1, does="")
        account.look_at_positions()
    account.exit(10)
    assert verdict(account, tmp_path).status == "ok"


def test_a_short_that_our_own_late_exit_opened_may_be_covered(tmp_path: Path) -> None:
    account = of_ten()
    account.trade(OWNER, "SELL", 10)
    account.trade(f"{RUN}00002", "SELL", 10)
    for _ in range(3):
        account.look_at_positions()
    account.exit(10, "BUY")
    assert verdict(account, tmp_path).status == "ok"


def test_what_our_late_exit_sold_of_the_owner_is_settled_with_his_shares_and_what_is_bought_later_is_ours(
    tmp_path: Path,
) -> None:
    account = of_ten()
    account.exit(10)
    account.trade(OWNER, "SELL", 10)
    for _ in range(3):
        account.look_at_positions()
    account.trade(OWNER, "BUY", 8)
    account.trade(EXIT, "SELL", 10)
    account.trade(f"{RUN}00002", "BUY", 2)
    account.trade(f"{RUN}00003", "BUY", 6)
    for _ in range(3):
        account.look_at_positions()
    account.exit(6, order_id=f"{RUN}00010")
    assert verdict(account, tmp_path).status == "ok"
    account.trade(f"{RUN}00010", "SELL", 6)
    for _ in range(3):
        account.look_at_positions()
    account.exit(1, order_id=f"{RUN}00011")
    assert verdict(account, tmp_path).status == "broken"


def test_the_same_position_is_not_closed_twice(tmp_path: Path) -> None:
    account = of_ten()
    account.trade(f"{RUN}00002", "SELL", 10)
    account.exit(10)
    assert verdict(account, tmp_path).status == "broken"


@pytest.mark.parametrize(("looks", "ruling"), [(1, "ok"), (2, "broken")])
def test_what_was_taken_and_given_back_between_two_looks_was_never_missed(
    looks: int, ruling: str, tmp_path: Path
) -> None:
    account = of_ten()
    account.convert(10)
    for _ in range(looks):
        account.look_at_positions()
    account.trade(OWNER, "BUY", 10)
    for _ in range(3):
        account.look_at_positions()
    account.exit(10)
    assert verdict(account, tmp_path).status == ruling
