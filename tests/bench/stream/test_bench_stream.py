"""The benchmark of the tick stream: every tick comes through, both ways read the same, and its verdicts."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from tradebot.bench.rivals.stream import packet_dictionaries
from tradebot.bench.stream import stream
from tradebot.bench.stream.stream import CLIENTS, StreamLoad, measure_stream, stream_verdicts
from tradebot.bench.venue.frames import BASE_PRICE_PAISE, FIRST_TOKEN, binary_frames
from tradebot.clock import SECOND, WallClock
from tradebot.errors import TradebotError


def row(rival: str, face: str = "binary", **more: Any) -> dict[str, Any]:
    found = {"face": face, "ticks_a_frame": 50, "rival": rival, "ticks_per_s": 400_000, "cpu_us_per_tick": 1.0}
    return found | {"loop_lag_max_ms": 1.0} | more


def test_every_tick_of_a_short_run_comes_through_every_client() -> None:
    result = measure_stream(
        StreamLoad(symbols=20, ticks=3_000, sizes=(50,), turns=1), clock=WallClock(), progress=lambda a, b: None
    )

    ticks = {(r["face"], r["rival"]): r["ticks"] for r in result["rows"]}
    assert ticks.pop(("binary", "tradebot")) == 3_000
    assert ticks.pop(("json", "tradebot")) == 300
    assert len(ticks) == sum(map(len, CLIENTS.values())) - 2
    assert all(r["ticks_per_s"] > 0 for r in result["rows"])


def test_the_plain_way_reads_what_the_server_sends() -> None:
    (frame,) = binary_frames(20, 2, 2, 1_790_000_000 * SECOND)
    first, second = packet_dictionaries(frame)
    assert struct.unpack(">H", frame[:2]) == (2,)
    assert (first["instrument_token"], first["last_price"], first["volume_traded"]) == (
        FIRST_TOKEN,
        BASE_PRICE_PAISE / 100,
        1,
    )
    assert (second["instrument_token"], second["depth"]["buy"][0]["quantity"]) == (FIRST_TOKEN + 1, 100)


def test_a_process_that_dies_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CLIENTS", {"no such": {"binary": None}})
    with pytest.raises(TradebotError, match="a process of the benchmark failed"):
        measure_stream(
            StreamLoad(symbols=20, ticks=100, sizes=(50,), turns=1), clock=WallClock(), progress=lambda a, b: None
        )


@pytest.mark.parametrize(
    ("ours", "said"),
    [({"cpu_us_per_tick": 3.01}, "the limit is 3 us"), ({"loop_lag_max_ms": 5.1}, "longest stall under full load")],
)
def test_a_broken_promise_is_said_in_words(ours: dict[str, Any], said: str) -> None:
    good = stream_verdicts({"rows": [row("tradebot"), row("plain")]})
    assert all(v["ok"] for v in good)
    (bad,) = [v for v in stream_verdicts({"rows": [row("tradebot", **ours), row("plain")]}) if not v["ok"]]
    assert said in bad["text"]
