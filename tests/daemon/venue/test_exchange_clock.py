"""The clock of a rehearsal over real sockets: it follows the exchange, stands still without it, and never goes back."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable

import orjson
import pytest
from aiohttp import web

from tests.daemon.venue.clock_rig import ExchangeOnLoopback, Heard, apart_s, followed
from tests.venues.kite.server.kite_rig import OPENS_AT, rig
from tradebot.clock import HOUR, IST, SECOND, parse_iso
from tradebot.daemon.venue import exchange_clock
from tradebot.errors import VenueUnavailable

AT = parse_iso("2026-11-23T09:15:00", IST)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_clock, "READ_EVERY_S", 0.01)


@pytest.fixture
async def exchange() -> AsyncIterator[ExchangeOnLoopback]:
    found = ExchangeOnLoopback(AT)
    await found.start()
    yield found
    await found.stop()


async def test_it_tells_that_it_rehearses_and_moves_with_the_exchange(exchange: ExchangeOnLoopback) -> None:
    told = Heard()
    async with followed(exchange, told) as clock:
        assert (clock.speed, apart_s(clock, exchange) < 0.001) == (60.0, True)
        await exchange.asked_times(3)
        assert apart_s(clock, exchange) < 0.001, "both read one monotonic clock"
    assert told.names == ["live_rehearsed"]
    fields = told.of("live_rehearsed")[0]
    assert (fields["level"], fields["address"], fields["speed"]) == ("warning", f"http://127.0.0.1:{exchange.port}", 60)
    assert fields["market_time"].startswith("2026-11-23T09:15:")


async def test_the_exchange_itself_is_followed() -> None:
    async with rig() as r:
        told, at = Heard(), ExchangeOnLoopback(0)
        at.host = r.clock
        at.port = int(r.at.rest.rpartition(":")[2])
        async with followed(at, told) as clock:
            assert (clock.market_ns(), clock.speed) == (r.clock.now_ns, 1.0)
            r.clock.now_ns += HOUR
            assert clock.market_ns() == r.clock.now_ns
    assert r.clock.now_ns > OPENS_AT


async def test_without_an_answer_time_stands_still_is_told_once_and_goes_on_where_the_exchange_is(
    exchange: ExchangeOnLoopback,
) -> None:
    told = Heard()
    async with followed(exchange, told) as clock:
        await exchange.stop()
        lost = await told.until("exchange_clock_lost")
        stood_at = clock.market_ns()
        assert lost["level"] == "warning"
        assert f"GET http://127.0.0.1:{exchange.port}/clock: " in lost["reason"]
        await clock.sleep(0.05)
        assert clock.market_ns() == stood_at
        exchange.jump_to(stood_at + 18 * HOUR)  # the next morning
        await exchange.start()
        moved = await told.until("exchange_clock_moved")
        assert abs(moved["by_s"] - 18 * 3600) < 60, "what the exchange ran on since its start"
        assert moved["market_time"].startswith("2026-11-24T03:15")
        assert apart_s(clock, exchange) < 0.001
    assert told.names == ["live_rehearsed", "exchange_clock_lost", "exchange_clock_moved"]


async def test_an_exchange_that_comes_back_at_an_earlier_time_is_waited_for(exchange: ExchangeOnLoopback) -> None:
    told = Heard()
    async with followed(exchange, told) as clock:
        await exchange.stop()
        await told.until("exchange_clock_lost")
        stood_at = clock.market_ns()
        exchange.jump_to(AT - HOUR)
        await exchange.start()
        assert (await told.until("exchange_clock_moved"))["by_s"] == 0
        await exchange.asked_times(3)
        assert clock.market_ns() == stood_at
        exchange.jump_to(stood_at + SECOND)
        await exchange.asked_times(2)
        assert clock.market_ns() > stood_at


async def test_a_night_that_is_left_out_while_it_runs_is_told_and_a_small_correction_is_not(
    exchange: ExchangeOnLoopback,
) -> None:
    told = Heard()
    async with followed(exchange, told) as clock:
        exchange.jump_to(exchange.market_ns() + 200 * SECOND)  # below five seconds of this machine
        await exchange.asked_times(2)
        assert apart_s(clock, exchange) < 0.001
        exchange.jump_to(exchange.market_ns() + 17 * HOUR)
        assert abs((await told.until("exchange_clock_moved"))["by_s"] - 17 * 3600) < 10
    assert told.names == ["live_rehearsed", "exchange_clock_moved"]


async def test_an_exchange_of_another_speed_is_not_followed_and_time_stands_still(exchange: ExchangeOnLoopback) -> None:
    told = Heard()
    async with followed(exchange, told) as clock:
        exchange.speed = 1.0
        reason = (await told.until("exchange_clock_lost"))["reason"]
        assert reason == "the exchange runs at speed 1 now, this run began at 60"
        stood_at = clock.market_ns()
        await exchange.asked_times(3)
        assert (clock.market_ns(), clock.speed) == (stood_at, 60.0)


def page(status: int, content: bytes) -> Callable[[], web.Response]:
    return lambda: web.Response(status=status, body=content, headers={"Location": "/elsewhere"})


def clock_of(**changes: object) -> Callable[[], web.Response]:
    found = {"market_ns": AT, "monotonic_ns": 5 * SECOND, "speed": 60.0} | changes
    return page(200, orjson.dumps({name: value for name, value in found.items() if value is not ...}))


NOT_OURS: dict[str, tuple[Callable[[], web.Response], str]] = {
    "another program": (page(404, b"not found"), "HTTP 404; no exchange of ours listens there"),
    "a redirect": (page(302, b""), "HTTP 302; no exchange"),
    "a page": (page(200, b"<html>"), "not the clock of an exchange"),
    "a list": (page(200, b"[1]"), "not the clock of an exchange"),
    "a name missing": (clock_of(speed=...), "not the clock of an exchange"),
    "null": (clock_of(market_ns=None), "not the clock of an exchange"),
    "more than is read": (page(200, b'{"market_ns": 1' + b" " * 5000 + b"}"), "not the clock of an exchange"),
    "a speed of zero": (clock_of(speed=0), "not a time and a speed"),
    "a speed of no number": (clock_of(speed="nan"), "not a time and a speed"),
    "a speed without a limit": (clock_of(speed=1e9), "not a time and a speed"),
    "a time before 1970": (clock_of(market_ns=-1), "not a time and a speed"),
    "a time past all": (clock_of(market_ns=(1 << 64) - 1), "not a time and a speed"),
    "a time without a limit": (clock_of(market_ns="inf"), "not the clock of an exchange"),
    "a time of a float without a limit": (page(200, b'{"market_ns": 1e400}'), "not the clock of an exchange"),
}


@pytest.mark.parametrize(("answer", "sentence"), NOT_OURS.values(), ids=NOT_OURS.keys())
async def test_what_is_no_exchange_of_ours_ends_the_start_with_a_sentence(
    answer: Callable[[], web.Response], sentence: str, exchange: ExchangeOnLoopback
) -> None:
    exchange.answer = answer
    with pytest.raises(VenueUnavailable, match=r"^no exchange of a rehearsal answered \(1 tries in 0 s\): ") as ended:
        async with followed(exchange, Heard(), within_s=0.0):
            pass
    assert sentence in str(ended.value)


async def test_a_port_where_nothing_listens_ends_the_start_and_one_that_is_silent_does_as_well(
    exchange: ExchangeOnLoopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange_clock, "ANSWER_WITHIN_S", 0.05)
    await exchange.stop()
    with pytest.raises(VenueUnavailable, match="Cannot connect to host"):
        async with followed(exchange, Heard(), within_s=0.0):
            pass
    silent = socket.create_server(("127.0.0.1", exchange.port))  # takes connections and never reads from one
    with silent, pytest.raises(VenueUnavailable, match=r"/clock: [A-Z]\w+"):
        async with followed(exchange, Heard(), within_s=0.0):
            pass


async def test_an_address_with_a_slash_at_its_end_is_asked_for_the_same_route(exchange: ExchangeOnLoopback) -> None:
    async with followed(exchange, Heard(), path="/") as clock:
        assert apart_s(clock, exchange) < 0.001
