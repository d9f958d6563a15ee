"""The venue of a dry start: every read of a broker reaches the venue, and no write leaves, whatever is asked of it."""

from __future__ import annotations

import inspect
from decimal import Decimal
from typing import Any, cast

import pytest

from tests.venues.kite.kite_on_loopback import kite_on_loopback, success
from tradebot.clock import ManualClock
from tradebot.config import Config
from tradebot.daemon.venue.dry_venue import DRY_REASON, DryBroker, DryVenue
from tradebot.daemon.venue.order_route import SimulatedRoute
from tradebot.daemon.venue.venue_session import venue_without_orders
from tradebot.domain.order import OrderKind, OrderRequest, Side
from tradebot.markets.listing import universe_for
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.adapter import ADAPTER
from tradebot.venues.venue import Broker, NotSent, VenueReader

REQUEST = OrderRequest(
    order_id="tb1", symbol="TCS", exchange="NSE", side=Side.BUY, kind=OrderKind.MARKET, quantity=Decimal(1)
)
WRITES = ("submit", "modify", "cancel")


def methods_of(protocol: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(protocol, inspect.isfunction) if not name.startswith("_")}


class Reader:
    """A reader that answers each method with its name and arguments, and has an order route that none may reach."""

    venue_rules = ADAPTER.venue_rules

    def __getattr__(self, name: str) -> Any:
        async def answer(*args: Any, **kw: Any) -> Any:
            return name, args, kw

        return answer


@pytest.mark.parametrize("name", sorted(methods_of(VenueReader)))
async def test_every_read_is_passed_on_with_its_arguments(name: str) -> None:
    dry: Any = DryBroker(cast(VenueReader, Reader()))
    assert await getattr(dry, name)(1, interval=2) == (name, (1,), {"interval": 2})


async def test_every_write_is_not_sent_and_says_why() -> None:
    assert methods_of(Broker) - methods_of(VenueReader) == set(WRITES), "a new write needs an answer of its own here"
    dry = DryBroker(cast(VenueReader, Reader()))
    for reply in (
        await dry.submit(REQUEST),
        await dry.modify(REQUEST, venue_order_id="1"),
        await dry.cancel(order_id="tb1", venue_order_id="1"),
    ):
        assert reply == NotSent(reason=DRY_REASON)


@pytest.mark.parametrize("name", ["write", "send_write", "place_gtt", "_session", "renew", "authorise"])
def test_what_is_no_read_of_the_protocol_is_not_there(name: str) -> None:
    with pytest.raises(AttributeError):
        getattr(DryBroker(cast(VenueReader, Reader())), name)


async def test_a_dry_kite_reads_over_its_socket_and_no_byte_of_an_order_gets_there() -> None:
    async with kite_on_loopback() as kite:
        kite.answer = success({"user_id": "AB1234"})
        access = SimulatedRoute(
            addresses={"rest": kite.address, "ticker": kite.address.replace("http", "ws")},
            credentials=Credentials(api_key="key", access_token="token"),
        )
        async with venue_without_orders(ADAPTER, access, ManualClock(), Config()) as venue:
            assert isinstance(venue, DryVenue)
            assert venue.venue_rules == ADAPTER.venue_rules
            venue.resume_day(12)
            assert await venue.broker.fetch_account_id() == "AB1234"
            for reply in (
                await venue.broker.submit(REQUEST),
                await venue.broker.modify(REQUEST, venue_order_id="1"),
                await venue.broker.cancel(order_id="tb1", venue_order_id="1"),
            ):
                assert isinstance(reply, NotSent)
            assert venue.create_feed(universe_for(["TCS"])).dropped_counts == {}
    assert [(method, path) for method, path, *_ in kite.got] == [("GET", "/user/profile")]
