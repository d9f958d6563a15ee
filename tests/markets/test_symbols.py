"""What a user may write after --symbols, and the sentence that follows what he may not."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebot.errors import DataError
from tradebot.markets import indices
from tradebot.markets.symbols import MAX_SYMBOLS, parse_symbols


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("RELIANCE,TCS", ("RELIANCE", "TCS")),
        (" reliance , Tcs ", ("RELIANCE", "TCS")),
        ("TCS,RELIANCE,TCS", ("TCS", "RELIANCE")),
        ("M&M,BAJAJ-AUTO,3MINDIA", ("M&M", "BAJAJ-AUTO", "3MINDIA")),
        ("NIFTY 50,TCS", ("NIFTY 50", "TCS")),
    ],
)
def test_a_list_is_taken_in_its_order_without_repeats(tmp_path: Path, text: str, symbols: tuple[str, ...]) -> None:
    assert parse_symbols(text, cwd=tmp_path) == symbols


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("BSE:INFY", ("BSE:INFY",)), ("bse:infy,TCS", ("BSE:INFY", "TCS")), ("NSE:INFY,INFY", ("INFY",)),
        ("NFO:INFY26DECFUT", ("NFO:INFY26DECFUT",)), ("nse:NIFTY 50", ("NIFTY 50",)), ("BSE:M&M", ("BSE:M&M",)),
    ],
)  # fmt: skip
def test_a_symbol_of_another_exchange_carries_its_name(tmp_path: Path, text: str, symbols: tuple[str, ...]) -> None:
    assert parse_symbols(text, cwd=tmp_path) == symbols


@pytest.mark.parametrize(
    "text", ["BSE:", ":INFY", "BSE:BSE:INFY", "B S:INFY", "12:INFY", "BSE: INFY", "A:B", "NSE:NSE:INFY", "NSE:BSE:INFY"]
)
def test_a_colon_anywhere_else_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match="is not a symbol"):
        parse_symbols(text, cwd=tmp_path)


def test_an_index_name_stands_for_its_members(tmp_path: Path) -> None:
    members = indices.index_members("NIFTY50")

    assert parse_symbols(f"{members[3]},nifty50", cwd=tmp_path) == tuple(dict.fromkeys((members[3], *members)))


def test_a_file_holds_one_symbol_a_line(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("\ufeff# my list\nRELIANCE\n\n  tcs  # software\nRELIANCE\n")

    assert parse_symbols("@mine.txt,INFY", cwd=tmp_path) == ("RELIANCE", "TCS", "INFY")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("RELIANCE,,TCS", "character 10: a symbol is missing"),
        ("RELIANCE,T/S", "character 10: 'T/S' is not a symbol: character 2 is '/'"),
        ("RELIANCE TCS", "'RELIANCE TCS' is not a symbol: character 9 is ' '"),
        ("TCS,\x1b[31m", r"is not a symbol: character 1 is '\x1b'"),
        ("-TCS", "must start with a letter or digit"),
        ("A" * 33, "32 at most"),
        ("", "no symbol is named"),
        ("@absent", "absent: no such file"),
    ],
)
def test_what_cannot_be_a_symbol_is_named_with_its_place(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_symbols(text, cwd=tmp_path)

    assert sentence in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_bad_line_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("RELIANCE\n# fine\nT CS\n")

    with pytest.raises(DataError, match=r"mine\.txt:3: 'T CS' is not a symbol"):
        parse_symbols("@mine.txt", cwd=tmp_path)


@pytest.mark.parametrize(("content", "sentence"), [(b"# nothing\n", "names no symbol"), (b"\xff\xfe", "is not UTF-8")])
def test_a_useless_file_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "mine.txt").write_bytes(content)

    with pytest.raises(DataError, match=sentence):
        parse_symbols("@mine.txt", cwd=tmp_path)


def test_more_symbols_than_can_be_traded_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at most"):
        parse_symbols(",".join(f"S{i}" for i in range(MAX_SYMBOLS + 1)), cwd=tmp_path)


@given(st.text(alphabet=st.characters(exclude_characters="@"), max_size=30))
def test_any_text_gives_symbols_or_one_sentence(text: str) -> None:
    with contextlib.suppress(DataError):
        symbols = parse_symbols(text, cwd=Path("/nonexistent"))
        assert symbols
        assert len(set(symbols)) == len(symbols)
        assert parse_symbols(",".join(symbols), cwd=Path("/nonexistent")) == symbols
