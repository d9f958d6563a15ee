"""Index lists and the listing behind the simulated exchange."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tradebot.domain.instrument import InstrumentKind
from tradebot.markets import indices
from tradebot.markets.listing import reference_price, synthetic_universe, turnover_rank, universe_for


@pytest.mark.parametrize(
    ("name", "count"),
    [("NIFTY50", 50), ("NIFTYNEXT50", 50), ("NIFTY100", 100), ("BANKNIFTY", 14), ("NIFTYIT", 10), ("FINNIFTY", 20)],
)
def test_an_index_has_as_many_distinct_members_as_its_rules_say(name: str, count: int) -> None:
    members = indices.index_members(name)
    assert len(members) == len(set(members)) == count
    assert list(members) == sorted(members)


def test_names_are_found_in_the_spelling_people_use() -> None:
    assert indices.index_members("nifty 50") == indices.index_members("NIFTY50") == indices.index_members("Nifty")
    assert indices.index_members("NIFTY BANK") == indices.index_members("BANKNIFTY")
    assert "HDFCBANK" in indices.index_members("BANKNIFTY")


def test_an_unknown_index_is_a_key_error_and_the_known_names_can_be_listed() -> None:
    with pytest.raises(KeyError):
        indices.index_members("NIFTY5O")
    assert not indices.is_index("RELIANCE")
    assert "NIFTY50" in indices.index_names()


def test_every_index_member_has_derivatives_and_an_unknown_symbol_has_none() -> None:
    assert all(indices.has_derivatives(symbol) for symbol in indices.index_members("NIFTY100"))
    assert not indices.has_derivatives("SYM0001")


def test_most_securities_in_a_published_list_of_lots_are_known_to_have_derivatives(conformance: Path) -> None:
    lots = json.loads((conformance / "nseindia-samples" / "fnoLots.json").read_text())
    listed = [s for s in lots if s not in ("NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY")]
    assert sum(map(indices.has_derivatives, listed)) / len(listed) > 0.75  # that list is some years older than ours


def test_a_large_universe_begins_with_real_names_and_has_distinct_tokens() -> None:
    universe = synthetic_universe(3000)
    tokens = [i.token for i in universe]
    assert len(universe) == 3000
    assert universe.symbols[0] == "RELIANCE"
    assert universe.symbols[-1].startswith("SYM")
    assert len(set(tokens)) == 3000
    assert all(0 < token < 2**31 and token % 256 == 1 for token in tokens)


def test_a_token_does_not_depend_on_the_company_a_symbol_keeps() -> None:
    alone = universe_for(["SOMENAME"]).instrument_of("SOMENAME")
    assert alone == universe_for(["RELIANCE", "SOMENAME", "TCS"]).instrument_of("SOMENAME")
    assert universe_for(["RELIANCE"]).instrument_of("RELIANCE").token == 738561


def test_an_index_is_not_tradable_and_has_the_token_of_its_segment() -> None:
    nifty = universe_for(["NIFTY 50"]).instrument_of("NIFTY 50")
    assert (nifty.kind, nifty.token, nifty.token % 256) == (InstrumentKind.INDEX, 256265, 9)


def test_invented_prices_are_positive_and_the_same_for_ever() -> None:
    assert reference_price("RELIANCE") == 2500
    assert reference_price("SYM0001") == reference_price("SYM0001") == 142.78
    assert all(60 <= reference_price(f"SYM{n:04d}") <= 6000 for n in range(500))
    assert 0 <= turnover_rank("SYM0001") < turnover_rank("RELIANCE") <= 1
