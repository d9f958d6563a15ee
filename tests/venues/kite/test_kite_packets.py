"""Binary ticker frames become columns: values, order, dirt, official packets."""

from __future__ import annotations

import base64
import json
import struct
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument, Universe
from tradebot.venues.kite import packets as packets_module
from tradebot.venues.kite.wire import FrameCounts, TokenTable, parse_frame

NOW = 1_700_000_000 * SECOND
INFY, TCS, NIFTY, USDINR = 408065, 2953217, 256265, 412675
UNIVERSE = Universe([
    Instrument(symbol="TCS", token=TCS),
    Instrument(symbol="INFY", token=INFY),
    Instrument(symbol="NIFTY 50", token=NIFTY),
    Instrument(symbol="USDINR26JANFUT", exchange="CDS", token=USDINR, price_decimals=7),
])  # fmt: skip
TABLE = TokenTable(UNIVERSE)


def frame(*bodies: bytes) -> bytes:
    return struct.pack(">H", len(bodies)) + b"".join(struct.pack(">H", len(body)) + body for body in bodies)


def ltp(token: int, price: int) -> bytes:
    return struct.pack(">Ii", token, price)


def quote(token: int, price: int, volume: int) -> bytes:
    return struct.pack(">IiIiIIIiiii", token, price, 7, price, volume, 11, 12, price, price, price, price)


def full(token: int, price: int, volume: int, at: int, bid: tuple[int, int], ask: tuple[int, int]) -> bytes:
    levels = [bid, *[(1, 1)] * 4, ask, *[(2, 2)] * 4]
    depth = b"".join(struct.pack(">IiHxx", size, level, 1) for level, size in levels)
    return quote(token, price, volume) + struct.pack(">IIIII", 5, 6, 7, 8, at) + depth


def parse(data: bytes, counts: FrameCounts | None = None):
    return parse_frame(data, TABLE, seen_at=5, now=NOW, counts=counts)


def rows(quotes) -> list[tuple[int, ...]]:
    names = ("ids", "sent_at", "last", "volume", "bid", "ask", "bid_size", "ask_size")
    return [tuple(int(getattr(quotes, name)[i]) for name in names) for i in range(len(quotes))]


def official(folder: Path, name: str) -> bytes:
    path = folder / "kiteconnect-mocks" / name
    if not path.is_file():
        pytest.skip(f"{name} is not among the official fixtures here")
    return base64.b64decode(path.read_bytes())


def test_the_official_full_packet_decodes_to_its_official_values(conformance: Path) -> None:
    body = official(conformance, "ticker_full.packet")
    expected = json.loads((conformance / "kiteconnect-mocks" / "ticker_full.json").read_text(), parse_float=Decimal)

    quotes = parse(frame(body))

    infy = UNIVERSE.instrument_of("INFY")
    best_bid, best_ask = expected["depth"]["buy"][0], expected["depth"]["sell"][0]
    assert quotes is not None
    assert UNIVERSE[int(quotes.ids[0])].token == expected["instrument_token"]
    assert infy.price_from_units(quotes.last[0]) == expected["last_price"]
    assert quotes.volume[0] == expected["volume"]
    assert quotes.sent_at[0] == 1625461887 * SECOND
    assert (infy.price_from_units(quotes.bid[0]), quotes.bid_size[0]) == (best_bid["price"], best_bid["quantity"])
    assert (infy.price_from_units(quotes.ask[0]), quotes.ask_size[0]) == (best_ask["price"], best_ask["quantity"])


def test_the_official_quote_packet_decodes_to_its_official_values(conformance: Path) -> None:
    quotes = parse(frame(official(conformance, "ticker_quote.packet")))
    assert quotes is not None
    assert (int(quotes.last[0]), int(quotes.volume[0]), int(quotes.sent_at[0])) == (157315, 1175986, NOW)


def test_a_full_packet_gives_every_column() -> None:
    quotes = parse(frame(full(INFY, 157370, 1192471, 1625461887, (157340, 5), (157370, 172))))
    assert rows(quotes) == [(1, 1625461887 * SECOND, 157370, 1192471, 157340, 157370, 5, 172)]
    assert (quotes.source, quotes.seen_at) == ("kite", 5)


def test_rows_keep_the_order_of_arrival_with_repeats_in_a_frame_of_one_length() -> None:
    quotes = parse(frame(ltp(INFY, 1), ltp(TCS, 2), ltp(INFY, 3)))
    assert [(row[0], row[2]) for row in rows(quotes)] == [(1, 1), (0, 2), (1, 3)]


def test_rows_keep_the_order_of_arrival_in_a_frame_of_mixed_lengths() -> None:
    index_full = struct.pack(">Iiiiiiii", NIFTY, 2400000, 9, 8, 7, 6, 5, 1700000001)
    index_quote = struct.pack(">Iiiiiii", NIFTY, 2400100, 9, 8, 7, 6, 5)
    data = frame(
        index_full, full(INFY, 10, 20, 1700000002, (1, 2), (3, 4)), ltp(TCS, 30), index_quote, quote(INFY, 40, 50)
    )
    assert rows(parse(data)) == [
        (2, 1700000001 * SECOND, 2400000, 0, 0, 0, 0, 0),
        (1, 1700000002 * SECOND, 10, 20, 1, 3, 2, 4),
        (0, NOW, 30, 0, 0, 0, 0, 0),
        (2, NOW, 2400100, 0, 0, 0, 0, 0),
        (1, NOW, 40, 50, 0, 0, 0, 0),
    ]


def test_a_mixed_frame_and_uniform_frames_give_the_same_rows() -> None:
    bodies = [full(INFY, 10 + i, i, 1700000000 + i, (i, 1), (i, 2)) for i in range(5)] + [quote(TCS, 7, 8)]
    apart = [row for body in bodies for row in rows(parse(frame(body)))]
    assert rows(parse(frame(*bodies))) == apart


def test_packets_without_a_time_carry_now_and_epoch_zero_stays_zero() -> None:
    assert [row[1] for row in rows(parse(frame(ltp(INFY, 1))))] == [NOW]
    assert [row[1] for row in rows(parse(frame(full(INFY, 1, 1, 0, (1, 1), (1, 1)))))] == [0]


def test_a_currency_price_stays_in_the_units_of_the_wire() -> None:
    quotes = parse(frame(ltp(USDINR, 837512500)))
    assert UNIVERSE[int(quotes.ids[0])].price_from_units(quotes.last[0]) == Decimal("83.75125")


def test_volumes_and_sizes_above_two_billion_are_unsigned() -> None:
    quotes = parse(frame(full(INFY, 1, 4_000_000_000, 1, (1, 3_000_000_000), (1, 1))))
    assert (int(quotes.volume[0]), int(quotes.bid_size[0])) == (4_000_000_000, 3_000_000_000)


def test_a_heartbeat_is_counted_and_carries_nothing() -> None:
    counts = FrameCounts()
    assert parse(b"\x00", counts) is None
    assert (counts.heartbeats, counts.malformed) == (1, 0)


def test_unknown_tokens_are_counted_and_dropped() -> None:
    counts = FrameCounts()
    quotes = parse(frame(ltp(1, 1), ltp(INFY, 2), ltp(0xFFFFFFFF, 3)), counts)
    assert [(row[0], row[2]) for row in rows(quotes)] == [(1, 2)]
    assert (counts.packets, counts.unknown_tokens) == (3, 2)
    assert parse(frame(ltp(1, 1))) is None


def test_packets_of_an_unknown_length_are_counted_and_dropped() -> None:
    counts = FrameCounts()
    quotes = parse(frame(bytes(9), ltp(INFY, 2), bytes(200)), counts)
    assert [row[2] for row in rows(quotes)] == [2]
    assert counts.odd_lengths == 2


@pytest.mark.parametrize("end", range(2, 2 + 2 * 186))
def test_a_frame_cut_anywhere_gives_the_whole_packets_before_the_cut(end: int) -> None:
    counts = FrameCounts()
    whole = frame(*(full(INFY, 10 + i, 1, 1, (1, 1), (1, 1)) for i in range(2)))
    quotes = parse(whole[:end], counts)
    assert (0 if quotes is None else len(quotes)) == (end - 2) // 186
    assert counts.malformed == 1


def test_bytes_behind_the_last_packet_are_counted_and_the_packets_kept() -> None:
    counts = FrameCounts()
    quotes = parse(frame(ltp(INFY, 1)) + b"xyz", counts)
    assert (len(quotes), counts.malformed) == (1, 1)


def test_an_empty_universe_knows_no_token() -> None:
    assert parse_frame(frame(ltp(INFY, 1)), TokenTable(Universe([])), seen_at=0, now=0) is None


@given(st.binary(max_size=600))
def test_no_bytes_at_all_make_it_raise(data: bytes) -> None:
    counts = FrameCounts()
    quotes = parse(data, counts)
    assert quotes is None or 0 < len(quotes) <= len(data) // 10
    assert counts.frames == 1


@given(st.lists(st.sampled_from([8, 9, 28, 32, 44, 184]), max_size=20), st.data())
def test_frames_of_well_formed_packets_lose_none(lengths: list[int], data: st.DataObject) -> None:
    bodies = [struct.pack(">I", INFY) + data.draw(st.binary(min_size=n - 4, max_size=n - 4)) for n in lengths]
    counts = FrameCounts()
    quotes = parse(frame(*bodies), counts)
    known = [body for body in bodies if len(body) != 9]
    expected = [int.from_bytes(body[4:8], "big", signed=True) for body in known]
    assert ([] if quotes is None else quotes.last.tolist()) == expected
    assert counts.malformed == 0
    assert counts.odd_lengths == lengths.count(9)
    assert quotes is None or all(getattr(quotes, c).dtype == np.int64 for c in ("ids", "sent_at", "last", "ask_size"))


@given(
    st.sampled_from([8, 28, 32, 44, 184]),
    st.lists(st.tuples(st.sampled_from([INFY, TCS, NIFTY, 99]), st.binary(min_size=180, max_size=180)), max_size=4),
)
def test_few_packets_give_the_same_rows_as_many(length: int, packets: list[tuple[int, bytes]]) -> None:
    data = frame(*(struct.pack(">I", token) + rest[: length - 4] for token, rest in packets))
    counts, others = FrameCounts(), FrameCounts()

    few = parse(data, counts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packets_module, "STRUCT_MAX_PACKETS", 0)
        many = parse(data, others)

    assert (few is None) == (many is None)
    assert few is None or rows(few) == rows(many)
    assert counts == others
