"""Names of paper accounts: the venue's account, a new name after each reset, never a name that the journal knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.paper.paper_rig import order, quote
from tradebot.errors import ConfigError
from tradebot.paper.accounts import account_of_log, paper_account_id, reset_account, reset_accounts
from tradebot.paper.settings import PAPER_LOG


def session_line(account: str) -> str:
    return f'{{"kind":"session","account":"{account}"}}\n'


def test_the_first_account_has_the_name_of_the_venues(tmp_path: Path) -> None:
    assert paper_account_id("AB1234", tmp_path / PAPER_LOG) == "PAPER-AB1234"


@pytest.mark.parametrize("name", ["PAPER-AB1234", "PAPER-AB1234-7"])
def test_an_account_goes_on_under_the_name_in_its_log(name: str, tmp_path: Path) -> None:
    log = tmp_path / PAPER_LOG
    log.write_text(session_line(name))
    assert paper_account_id("AB1234", log, known=[name]) == name


@pytest.mark.parametrize("name", ["PAPER-CD5678", "PAPER-AB1234X", "PAPER-AB1234-x", "SIM001"])
def test_a_log_of_another_login_is_refused(name: str, tmp_path: Path) -> None:
    log = tmp_path / PAPER_LOG
    log.write_text(session_line(name))
    with pytest.raises(ConfigError, match=f"is the paper account {name}, but the login is of AB1234"):
        paper_account_id("AB1234", log)


def test_a_new_account_takes_no_name_that_the_journal_knows(tmp_path: Path) -> None:
    # The log was removed by hand: the journal still has positions under the first two names.
    known = ["PAPER-AB1234", "PAPER-AB1234-2", "AB1234"]
    assert paper_account_id("AB1234", tmp_path / PAPER_LOG, known=known) == "PAPER-AB1234-3"
    assert paper_account_id("CD5678", tmp_path / PAPER_LOG, known=known) == "PAPER-CD5678"


async def test_a_reset_moves_the_log_aside_and_the_next_account_has_the_next_name(
    open_paper: Any, tmp_path: Path
) -> None:
    first = await open_paper()
    first.show(1, quote(100, bid=99.95, ask=100.05))
    await first.place(order(kind="MARKET"))
    first.market.close_market()
    aside = tmp_path / "paper.PAPER-AB1234.jsonl"
    assert reset_account(tmp_path) == ("PAPER-AB1234", aside)
    assert account_of_log(aside) == "PAPER-AB1234"
    name = paper_account_id("AB1234", tmp_path / PAPER_LOG)
    assert name == "PAPER-AB1234-2"
    second = await open_paper(account_id=name, cash=7)
    assert await second.broker.fetch_positions() == []
    assert await second.broker.fetch_cash() == 7
    second.market.close_market()
    assert reset_account(tmp_path) == (name, tmp_path / f"paper.{name}.jsonl")
    assert reset_accounts(tmp_path) == ["PAPER-AB1234-2", "PAPER-AB1234"]
    assert paper_account_id("AB1234", tmp_path / PAPER_LOG) == "PAPER-AB1234-3"


def test_without_an_account_there_is_nothing_to_reset(tmp_path: Path) -> None:
    assert reset_account(tmp_path) is None
    (tmp_path / PAPER_LOG).write_text('{"kind":"torn')
    assert reset_account(tmp_path) is None
    assert not (tmp_path / PAPER_LOG).exists()
