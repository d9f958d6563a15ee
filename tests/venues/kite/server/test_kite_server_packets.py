"""Binary ticker frames: decoded by struct against the table of the protocol, and equal to the official packet."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.venues.kite.server.kite_rig import split
from tradebot.clock import SECOND, parse_iso
from tradebot.domain.instrument import Instrument, InstrumentKind, Universe
from tradebot.domain.market import Ints
from tradebot.exchange.snapshot import empty_columns
from tradebot.venues.kite.server.packets import PACKETS_PER_FRAME, PacketRenderer, StreamMode

INFY = Instrument(symbol="INFY", token=408065)
NIFTY = Instrument(symbol="NIFTY 50", token=256265, kind=InstrumentKind.INDEX)


def columns(n: int, **given: Any) -> dict[str, Ints]:
    state = empty_columns(Universe(Instrument(symbol=f"S{i}") for i in range(n)))
    for name, value in given.items():
        state[name][:] = value
    return state


def render(universe: Universe, state: dict[str, Ints], mode: StreamMode) -> list[bytes]:
    rows = np.arange(len(universe))
    return PacketRenderer(universe).render_frames(
        state.__getitem__, rows=rows, ids=rows, modes=np.full(len(rows), mode, dtype=np.int8)
    )


STATE = {
    "stamps": 1_625_461_887 * SECOND, "last": 157_370, "last_quantity": 7, "average": 157_037, "volume": 1_192_471,
    "buy_quantity": 256_443, "sell_quantity": 363_009, "open": 156_915, "high": 157_500, "low": 156_105,
    "previous_close": 156_780, "bids": [[157_340, 157_300, 157_295, 157_290, 157_285]],
    "bid_quantities": [[5, 140, 2, 219, 50]], "bid_orders": [[1, 2, 1, 7, 1]],
    "asks": [[157_370, 157_375, 157_385, 157_390, 157_395]], "ask_quantities": [[172, 44, 302, 141, 724]],
    "ask_orders": [[3, 3, 3, 2, 5]],
}  # fmt: skip
QUOTE = (408065, 157_370, 7, 157_037, 1_192_471, 256_443, 363_009, 156_915, 157_500, 156_105, 156_780)


def test_an_ltp_packet_has_token_and_price() -> None:
    (frame,) = render(Universe([INFY]), columns(1, **STATE), StreamMode.LTP)
    assert frame.hex() == "00010008" + "00063a01" + f"{157_370:08x}"


def test_a_quote_packet_has_the_eleven_fields_of_the_protocol() -> None:
    (frame,) = render(Universe([INFY]), columns(1, **STATE), StreamMode.QUOTE)
    (body,) = split(frame)
    assert len(body) == 44
    assert struct.unpack(">11i", body) == QUOTE


def test_a_full_packet_adds_times_and_ten_levels() -> None:
    (frame,) = render(Universe([INFY]), columns(1, **STATE), StreamMode.FULL)
    (body,) = split(frame)
    assert len(body) == 184
    assert struct.unpack(">11i", body[:44]) == QUOTE
    assert struct.unpack(">5I", body[44:64]) == (1_625_461_887, 0, 0, 0, 1_625_461_887)
    levels = [struct.unpack_from(">IIHH", body, 64 + 12 * k) for k in range(10)]
    assert levels[0] == (5, 157_340, 1, 0)
    assert levels[4] == (50, 157_285, 1, 0)
    assert levels[5] == (172, 157_370, 3, 0)
    assert levels[9] == (724, 157_395, 5, 0)


@pytest.mark.parametrize(("mode", "length"), [(StreamMode.QUOTE, 28), (StreamMode.FULL, 32)])
def test_an_index_packet_puts_high_and_low_before_open(mode: StreamMode, length: int) -> None:
    (frame,) = render(Universe([NIFTY]), columns(1, **STATE), mode)
    (body,) = split(frame)
    assert len(body) == length
    assert struct.unpack(">7i", body[:28]) == (256265, 157_370, 157_500, 156_105, 156_915, 156_780, 590)
    assert body[28:] == (struct.pack(">I", 1_625_461_887) if mode is StreamMode.FULL else b"")


def test_the_official_full_packet_is_rendered_to_the_byte(conformance: Path) -> None:
    mocks = conformance / "kiteconnect-mocks"
    official = base64.b64decode((mocks / "ticker_full.packet").read_bytes())
    tick = json.loads((mocks / "ticker_full.json").read_text())

    def paise(price: float) -> int:
        return round(price * 100)

    sides = {"bid": tick["depth"]["buy"], "ask": tick["depth"]["sell"]}
    state = columns(
        1,
        stamps=parse_iso(tick["timestamp"]),
        last=paise(tick["last_price"]),
        last_quantity=tick["last_quantity"],
        average=paise(tick["average_price"]),
        volume=tick["volume"],
        buy_quantity=tick["buy_quantity"],
        sell_quantity=tick["sell_quantity"],
        previous_close=paise(tick["ohlc"]["close"]),
        **{name: paise(tick["ohlc"][name]) for name in ("open", "high", "low")},
        **{f"{side}s": [[paise(level["price"]) for level in levels]] for side, levels in sides.items()},
        **{f"{side}_quantities": [[level["quantity"] for level in levels]] for side, levels in sides.items()},
        **{f"{side}_orders": [[level["orders"] for level in levels]] for side, levels in sides.items()},
    )
    (frame,) = render(Universe([INFY]), state, StreamMode.FULL)
    (body,) = split(frame)
    assert body == official


def test_a_stamp_of_zero_stays_zero() -> None:
    (frame,) = render(Universe([INFY]), columns(1, **(STATE | {"stamps": 0})), StreamMode.FULL)
    (body,) = split(frame)
    assert (body[44:48], body[60:64]) == (bytes(4), bytes(4))


def test_a_falling_index_has_a_negative_change() -> None:
    (frame,) = render(Universe([NIFTY]), columns(1, last=100, previous_close=130), StreamMode.QUOTE)
    (body,) = split(frame)
    assert struct.unpack_from(">i", body, 24) == (-30,)


def test_numbers_too_large_for_the_wire_stop_at_its_maximum() -> None:
    state = columns(1, volume=2**40, bid_orders=70_000, bid_quantities=2**33)
    (frame,) = render(Universe([INFY]), state, StreamMode.FULL)
    (body,) = split(frame)
    assert struct.unpack_from(">I", body, 16) == (2**32 - 1,)
    assert struct.unpack_from(">IIHH", body, 64) == (2**32 - 1, 0, 2**16 - 1, 0)


def test_repeated_rows_of_an_instrument_keep_their_order() -> None:
    state = columns(3, last=[100, 200, 150])
    frames = PacketRenderer(Universe([INFY])).render_frames(
        state.__getitem__, rows=np.arange(3), ids=np.zeros(3, dtype=np.int64), modes=np.ones(3, dtype=np.int8)
    )
    assert [struct.unpack(">II", body)[1] for body in split(frames[0])] == [100, 200, 150]


def test_mixed_modes_travel_in_one_frame_and_unsubscribed_rows_not_at_all() -> None:
    universe = Universe([INFY, NIFTY, Instrument(symbol="TCS", token=2953217), Instrument(symbol="SBIN", token=779521)])
    rows = np.arange(4)
    modes = np.array([StreamMode.FULL, StreamMode.QUOTE, StreamMode.LTP, StreamMode.NONE], dtype=np.int8)
    frames = PacketRenderer(universe).render_frames(columns(4, last=5).__getitem__, rows=rows, ids=rows, modes=modes)
    assert sorted(len(body) for frame in frames for body in split(frame)) == [8, 28, 184]
    assert len(frames) == 1


def test_three_thousand_full_packets_fill_whole_frames() -> None:
    universe = Universe(Instrument(symbol=f"S{i}", token=(i + 1) * 256 + 1) for i in range(3_000))
    state = columns(3_000, last=np.arange(3_000), bids=7, asks=8)
    packets, rows, modes = PacketRenderer(universe), np.arange(3_000), np.full(3_000, StreamMode.FULL, dtype=np.int8)
    frames = packets.render_frames(state.__getitem__, rows=rows, ids=rows, modes=modes)
    assert [len(split(frame)) for frame in frames] == [PACKETS_PER_FRAME] * 6
    assert struct.unpack_from(">iI", split(frames[-1])[-1]) == (3_000 * 256 + 1, 2_999)


def test_an_instrument_without_a_token_cannot_be_sent() -> None:
    with pytest.raises(ValueError, match="TCS cannot be sent"):
        PacketRenderer(Universe([Instrument(symbol="TCS")]))
