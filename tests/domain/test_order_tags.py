"""The form of our order ids: each id that a run makes has it, and what people and other programs write has not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebot.app import run_id
from tradebot.clock import DAY, ManualClock, parse_iso
from tradebot.domain.order_tags import has_our_form

YEARS = st.integers(parse_iso("1973-01-01T00:00:00+00:00"), parse_iso("2059-01-01T00:00:00+00:00"))


@given(YEARS, st.integers(1, 999_999))
def test_every_id_of_every_run_has_our_form(at: int, count: int) -> None:
    assert has_our_form(f"{run_id(ManualClock(at - at % DAY))}{count:05d}")


@pytest.mark.parametrize(
    "tag",
    ["", "T", "hello", "Tmh1k2v9x", "Tmh1k2v9x0017", "tmh1k2v9x00017", "TMH1K2V9X00017", "Tmh1k2v9x00017x",
     " Tmh1k2v9x00017", "Tmh1k2v9x00017\n", "Tmh1k2v9-00017", "Tmh1k2v9x٠٠٠١٧", "GTT1234567890", "amo-2026-11-23"],
)  # fmt: skip
def test_no_other_word_has_it(tag: str) -> None:
    assert not has_our_form(tag)
