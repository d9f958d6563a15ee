"""GTT orders over the wire: each write leaves once and means what Kite said, and the list is read when it must be."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from aiohttp import web

from tests.venues.kite.gtt_rows import gtt_request, leg, row
from tests.venues.kite.kite_on_loopback import NOW, REQUEST, Kite, broker_at, failure, raw_server, success
from tradebot.clock import SECOND, ManualClock
from tradebot.domain.order import Refusal, VenueOrderStatus
from tradebot.errors import AccessDenied, LinkLost, LoginLost, OutcomeUnknown
from tradebot.venues.kite.adapter import ADAPTER
from tradebot.venues.kite.broker import KiteBroker
from tradebot.venues.kite.rules import CLIENT_LIMITS, KITE_RULES, SANDBOX_HOST, RestOffer, rest_offer
from tradebot.venues.kite.settings import KiteSection
from tradebot.venues.limiter import Limiter
from tradebot.venues.venue import ACCESS_DENIED, LOGIN_LOST, Accepted, NotSent, Refused

pytestmark = pytest.mark.both_loops
D = Decimal
ORDER: dict[str, Any] = {
    "order_id": "260901000000042", "status": "OPEN", "exchange": "NSE", "tradingsymbol": "INFY", "order_type": "LIMIT",
    "transaction_type": "SELL", "product": "CNC", "quantity": 5, "price": 1480, "filled_quantity": 0, "tag": None,
}  # fmt: skip
WRITES = ("submit", "modify", "cancel")
EDIS = "5 quantity needs authorisation at depository."


async def write(broker: KiteBroker, verb: str) -> object:
    if verb == "submit":
        return await broker.submit(gtt_request())
    if verb == "modify":
        return await broker.modify(gtt_request(), venue_order_id="gtt123")
    return await broker.cancel(order_id="tb26abc0007", venue_order_id="gtt123")


def lists(gtts: object, orders: object = ()) -> Callable[[web.Request], web.Response]:
    """Answer both lists; a response in the place of the GTT rows is the answer itself."""

    def answer(request: web.Request) -> web.Response:
        if request.path != "/gtt/triggers":
            return success(list(orders) if isinstance(orders, list | tuple) else orders)
        if isinstance(gtts, web.Response):  # a response can be sent once
            return web.Response(body=gtts.body, status=gtts.status, content_type="application/json")
        return success(gtts)

    return answer


def asked(kite: Kite) -> list[str]:
    """Return the paths that were asked since the last look."""
    found = [path for _, path, *_ in kite.got]
    kite.got.clear()
    return found


async def test_a_life_of_a_gtt_leaves_as_the_documented_requests(kite: Kite) -> None:
    kite.says(lambda _: success({"trigger_id": 123}))
    accepted = Accepted(venue_order_id="gtt123")
    async with broker_at(kite.address) as broker:
        assert await broker.submit(gtt_request()) == accepted
        moved = gtt_request(has_target=True, trigger_price=D("1500.5"))
        assert await broker.modify(moved, venue_order_id="gtt123") == accepted
        assert await broker.cancel(order_id=moved.order_id, venue_order_id="gtt123") == accepted
    assert [(method, path, query) for method, path, query, *_ in kite.got] == [
        ("POST", "/gtt/triggers", {}),
        ("PUT", "/gtt/triggers/123", {}),
        ("DELETE", "/gtt/triggers/123", {}),
    ]
    created, changed, deleted = (form for _, _, _, form, _ in kite.got)
    assert (created["type"], changed["type"], deleted) == ("single", "two-leg", {})
    assert json.loads(created["condition"])["trigger_values"] == [1490.5]
    assert json.loads(changed["condition"])["trigger_values"] == [1500.5, 1650]
    (order,) = json.loads(created["orders"], parse_float=str)
    assert order == {
        "exchange": "NSE", "tradingsymbol": "INFY", "transaction_type": "SELL", "quantity": 5, "order_type": "LIMIT",
        "product": "CNC", "price": "1480.40",
    }  # fmt: skip
    assert {headers["Content-Type"] for *_, headers in kite.got[:2]} == {"application/x-www-form-urlencoded"}
    assert all("tag" not in form for form in (created, changed))


@pytest.mark.parametrize("verb", WRITES)
@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (failure(428, "HoldingException", EDIS), Refused(reason=EDIS, code="HoldingException")),
        (failure(428, "GeneralException", EDIS), Refused(reason=EDIS, code="GeneralException")),
        (failure(400, "InputException", "too near"), Refused(reason="too near", code="InputException")),
        (failure(404, "GeneralException", "not found"), Refused(reason="not found", code="GeneralException")),
        (
            failure(400, "MarginException", "funds"),
            Refused(reason="funds", code="MarginException", refusal=Refusal.FUNDS),
        ),
        (failure(429, "NetworkException", "slow"), Refused(reason="slow", code="429")),
        (failure(403, "TokenException", "dead"), Refused(reason="dead", code=LOGIN_LOST)),
        (failure(403, "PermissionException", "plan"), Refused(reason="plan", code=ACCESS_DENIED)),
    ],
)
async def test_a_definite_answer_is_a_refusal_with_the_sentence(
    kite: Kite, verb: str, answer: web.Response, reply: Refused
) -> None:
    body, status = answer.body, answer.status
    kite.says(lambda _: web.Response(body=body, status=status, content_type="application/json"))
    async with broker_at(kite.address) as broker:
        assert await write(broker, verb) == reply


@pytest.mark.parametrize("verb", WRITES)
@pytest.mark.parametrize(
    ("status", "data"),
    [
        (200, {"order_id": "123"}), (200, {"trigger_id": None}), (200, {"trigger_id": 0}), (200, None), (200, []),
        (502, None), (504, {"trigger_id": 123}),
    ],
)  # fmt: skip
async def test_an_answer_without_a_number_leaves_the_outcome_unknown(
    kite: Kite, verb: str, status: int, data: object
) -> None:
    kite.says(lambda _: web.json_response({"status": "success", "data": data}, status=status))
    async with broker_at(kite.address) as broker:
        with pytest.raises(OutcomeUnknown):
            await write(broker, verb)
    assert len(kite.got) == 1


@pytest.mark.parametrize("verb", ["modify", "cancel"])
async def test_an_answer_for_another_gtt_leaves_the_outcome_unknown(kite: Kite, verb: str) -> None:
    kite.answer = success({"trigger_id": 124})
    async with broker_at(kite.address) as broker:
        with pytest.raises(OutcomeUnknown, match="gtt124 instead of gtt123"):
            await write(broker, verb)


@pytest.mark.parametrize("verb", WRITES)
async def test_a_server_that_reads_and_drops_the_connection_gets_exactly_one_request(verb: str) -> None:
    async with raw_server(b"") as (address, requests), broker_at(address) as broker:
        with pytest.raises(OutcomeUnknown):
            await write(broker, verb)
        assert len(requests) == 1


async def test_what_kite_could_not_read_is_not_sent(kite: Kite) -> None:
    async with broker_at(kite.address) as broker:
        half = msgspec.structs.replace(gtt_request(), quantity=D("0.5"))
        for reply in (
            await broker.submit(half),
            await broker.modify(half, venue_order_id="gtt123"),
            await broker.modify(REQUEST, venue_order_id="gtt123"),
            await broker.cancel(order_id="tb1", venue_order_id="gtt1/../2"),
        ):
            assert isinstance(reply, NotSent)
    assert kite.got == []


async def test_the_order_that_a_gtt_placed_is_changed_as_the_limit_order_that_it_is(kite: Kite) -> None:
    kite.answer = success({"order_id": "260901000000042"})
    async with broker_at(kite.address) as broker:
        reply = await broker.modify(gtt_request(), venue_order_id="260901000000042")
    assert reply == Accepted(venue_order_id="260901000000042")
    ((method, path, _, form, _),) = kite.got
    assert (method, path) == ("PUT", "/orders/regular/260901000000042")
    assert form == {"order_type": "LIMIT", "quantity": "5", "validity": "DAY", "price": "1480.40"}


async def test_gtt_writes_count_toward_the_second_and_not_toward_the_minute_or_the_day(kite: Kite) -> None:
    clock = ManualClock(NOW)
    limiter = Limiter(CLIENT_LIMITS, clock)
    kite.says(lambda _: success({"trigger_id": 123}))
    async with broker_at(kite.address, clock=clock, limiter=limiter) as broker:
        per_second = CLIENT_LIMITS[0].limit
        for _ in range(per_second):
            assert await broker.submit(gtt_request()) == Accepted(venue_order_id="gtt123")
        assert clock.now_ns == NOW
        assert limiter.used_today == 0
        await write(broker, "cancel")
    assert clock.now_ns >= NOW + SECOND
    assert limiter.left_today("order", is_exit=True) == CLIENT_LIMITS[2].limit


async def test_orders_are_read_before_the_gtts_which_follow_them_in_the_list(kite: Kite) -> None:
    kite.says(lists([row(), row(id=7, type="odd")], [ORDER, ORDER | {"order_id": 9}]))
    async with broker_at(kite.address) as broker:
        found = await broker.fetch_orders()
    assert asked(kite) == ["/orders", "/gtt/triggers"]
    assert [order.venue_order_id for order in found] == ["260901000000042", "gtt112127"]
    assert [(one.book, one.venue_order_id) for one in found.unread] == [("orders", "9"), ("gtt", "gtt7")]
    assert found[1].status is VenueOrderStatus.PENDING_TRIGGER


async def test_an_account_without_a_gtt_is_asked_at_the_first_look_and_then_each_half_minute(kite: Kite) -> None:
    clock = ManualClock(NOW)
    kite.says(lists([]))
    async with broker_at(kite.address, clock=clock) as broker:
        counts = []
        for _ in range(62):
            assert await broker.fetch_orders() == []
            counts.append(asked(kite).count("/gtt/triggers"))
            clock.now_ns += SECOND
    assert [second for second, count in enumerate(counts) if count] == [0, 30, 60]


@pytest.mark.parametrize("rows", [[row()], [row("deleted")], [{"id": 7}]])
async def test_an_account_that_has_shown_a_gtt_is_asked_at_each_look(kite: Kite, rows: list[Any]) -> None:
    kite.says(lists(rows))
    async with broker_at(kite.address) as broker:
        await broker.fetch_orders()
        kite.says(lists([]))
        await broker.fetch_orders()
        await broker.fetch_orders()
    assert asked(kite).count("/gtt/triggers") == 3


@pytest.mark.parametrize("status", [200, 504])
async def test_a_gtt_that_was_sent_is_asked_for_at_each_look_whatever_its_answer(kite: Kite, status: int) -> None:
    kite.says(lists([]))
    async with broker_at(kite.address) as broker:
        await broker.fetch_orders()
        kite.says(lambda _: web.json_response({"status": "success", "data": {"trigger_id": 1}}, status=status))
        if status == 200:
            await broker.submit(gtt_request())
        else:
            with pytest.raises(OutcomeUnknown):
                await broker.submit(gtt_request())
        kite.says(lists([]))
        asked(kite)
        await broker.fetch_orders()
        await broker.fetch_orders()
    assert asked(kite) == ["/orders", "/gtt/triggers"] * 2


NOT_OFFERED = [
    failure(404, "GeneralException", "Route not found"),
    web.Response(text="<html>404</html>", status=404),
    failure(403, "PermissionException", "GTT orders are not offered"),
    failure(400, "InputException", "GTT is disabled for this account"),
]


@pytest.mark.parametrize("answer", NOT_OFFERED)
async def test_an_account_that_is_not_offered_gtts_still_sees_its_orders_and_is_asked_seldom(
    kite: Kite, answer: web.Response
) -> None:
    clock = ManualClock(NOW)
    kite.says(lists(answer, [ORDER]))
    async with broker_at(kite.address, clock=clock) as broker:
        found = [await broker.fetch_orders() for _ in range(3)]
        assert asked(kite).count("/gtt/triggers") == 1
        assert [[order.venue_order_id for order in one] for one in found] == [["260901000000042"]] * 3
        (unread,) = {row for one in found for row in one.unread}  # the same each time, so that it is told once
        assert (unread.book, unread.symbol, unread.venue_order_id) == ("gtt", "", "")
        assert unread.reason.startswith("GET /gtt/triggers: ")
        kite.says(lists([row()]))
        clock.now_ns += 30 * SECOND
        again = await broker.fetch_orders()
        assert ([order.venue_order_id for order in again], again.unread) == (["gtt112127"], ())
        kite.says(lists(answer, [ORDER]))
        asked(kite)
        later = [await broker.fetch_orders() for _ in range(3)]  # an account that had one is asked as seldom
    assert asked(kite).count("/gtt/triggers") == 1
    assert [len(one.unread) for one in later] == [1, 1, 1]


@pytest.mark.parametrize("answer", [failure(503, "NetworkException"), failure(429, "NetworkException")])
async def test_a_list_that_cannot_be_read_is_no_empty_list_while_there_may_be_a_gtt(
    kite: Kite, answer: web.Response
) -> None:
    clock = ManualClock(NOW)
    kite.says(lists(answer, [ORDER]))
    async with broker_at(kite.address, clock=clock) as broker:
        with pytest.raises(LinkLost):
            await broker.fetch_orders()  # nothing is known of the account yet
        kite.says(lists([], [ORDER]))
        await broker.fetch_orders()
        kite.says(lists(answer, [ORDER]))
        clock.now_ns += 30 * SECOND
        without = await broker.fetch_orders()
        assert ([order.venue_order_id for order in without], len(without.unread)) == (["260901000000042"], 1)
        kite.says(lists([row()], [ORDER]))
        clock.now_ns += 30 * SECOND
        await broker.fetch_orders()
        kite.says(lists(answer, [ORDER]))
        with pytest.raises(LinkLost):
            await broker.fetch_orders()


async def test_a_dead_login_is_told_by_either_list(kite: Kite) -> None:
    kite.says(lists(failure(403, "TokenException", "dead")))
    async with broker_at(kite.address) as broker:
        with pytest.raises(LoginLost):
            await broker.fetch_orders()
        kite.says(lambda _: failure(403, "PermissionException", "plan"))
        with pytest.raises(AccessDenied):
            await broker.fetch_orders()


async def test_a_long_list_is_read_whole(kite: Kite) -> None:
    kite.says(lists([row(id=n, orders=[leg(note="x" * 500)]) for n in range(1, 251)]))
    async with broker_at(kite.address) as broker:
        assert len(await broker.fetch_orders()) == 250


async def test_an_address_without_gtts_is_never_asked_for_them_nor_sent_one(kite: Kite) -> None:
    kite.says(lists([row()]))
    async with broker_at(kite.address, offer=RestOffer(prefix="/oms", max_gtt=0)) as broker:
        assert broker.venue_rules == msgspec.structs.replace(KITE_RULES, max_gtt=0)
        assert await broker.fetch_orders() == []
        assert asked(kite) == ["/oms/orders"]
        for verb in WRITES:
            assert await write(broker, verb) == NotSent(reason="Kite has no GTT orders at this address")
    assert kite.got == []


def test_the_sandbox_has_no_gtts_and_elsewhere_the_setting_says_how_many() -> None:
    assert rest_offer(f"https://{SANDBOX_HOST}", 500) == RestOffer(prefix="/oms", max_gtt=0)
    assert rest_offer("https://api.kite.trade", 500) == RestOffer(prefix="", max_gtt=500)
    assert rest_offer("https://api.kite.trade").max_gtt == 250


async def test_the_setting_reaches_the_rules_of_a_venue_and_of_its_broker() -> None:
    settings: Any = KiteSection(max_gtt=500)
    access = ADAPTER.access_from_settings(settings)
    for build in (ADAPTER.build_trading_venue, ADAPTER.build_streaming_reader):
        async with build(access, ManualClock(NOW), settings, silent_after_s=5.0) as venue:
            assert (venue.venue_rules.max_gtt, venue.broker.venue_rules.max_gtt) == (500, 500)
    assert (KITE_RULES.max_gtt, ADAPTER.venue_rules.max_gtt) == (250, 250)


async def test_the_kill_switch_leaves_the_gtts_of_the_owner_alone(kite: Kite) -> None:
    kite.says(lists([row()], [ORDER]))
    entry = {"rest": kite.address, "ticker": "ws://127.0.0.1:1", "api_key": "key", "access_token": "secret"}
    broker = ADAPTER.build_kill_broker(ADAPTER.access_from_entry(entry), ManualClock(NOW))
    try:
        assert [order.venue_order_id for order in await broker.fetch_orders()] == ["260901000000042"]
    finally:
        await broker.close()
    assert asked(kite) == ["/orders"]


@pytest.mark.parametrize(
    ("line", "kind", "id_"),
    [
        (b"POST /gtt/triggers HTTP/1.1", "create", None),
        (b"PUT /gtt/triggers/123 HTTP/1.1", "modify", b"123"),
        (b"DELETE /gtt/triggers/123 HTTP/1.1", "cancel", b"123"),
        (b"POST /orders/regular HTTP/1.1", "create", None),
        (b"PUT /orders/regular/42 HTTP/1.1", "modify", b"42"),
        (b"DELETE /orders/regular/42 HTTP/1.1", "cancel", b"42"),
        (b"GET /gtt/triggers HTTP/1.1", None, None),
        (b"GET /orders HTTP/1.1", None, None),
    ],
)
def test_a_write_is_recognised_in_the_bytes_of_a_connection(line: bytes, kind: str | None, id_: bytes | None) -> None:
    found = [(name, match) for name, pattern in ADAPTER.write_patterns.writes if (match := pattern.match(line))]
    assert [name for name, _ in found] == ([kind] if kind else [])
    assert [match["id"] for _, match in found if "id" in match.re.groupindex] == ([id_] if id_ else [])
