"""Checks at the broker, against stand-ins on loopback: each kind of trouble has its colour and its remedy."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
from aiohttp import web
from pydantic import SecretStr

from tests.doctor.kite_in_thread import TOKEN, KiteInThread, kite_in_thread
from tests.stories.kite_person import free_port
from tests.venues.kite.kite_on_loopback import failure
from tradebot.clock import HOUR, WallClock
from tradebot.config import Config
from tradebot.config.sections import AppSection, VenueSection
from tradebot.daemon.login.saved_login import SavedLogin, login_digest, login_path, save_login
from tradebot.doctor.finding import Colour, Finding
from tradebot.doctor.venue_address import (
    CONNECT_WITHIN_S,
    judge_bind_address,
    judge_local_address,
    judge_reached,
    reach_venue,
)
from tradebot.doctor.venue_checks import (
    ExaminedVenue,
    check_account,
    check_broker,
    check_login_offline,
    find_venue,
    judge_open_orders,
    judge_saved_login,
)
from tradebot.domain.order import OrderKind, Side, VenueOrder, VenueOrderStatus
from tradebot.venues.adapter import VenueAccess
from tradebot.venues.credentials import Credentials
from tradebot.venues.kite.settings import KiteSection

CLOCK = WallClock()
ROW: dict[str, Any] = {
    "order_id": "240123000000001", "parent_order_id": None, "exchange_order_id": None, "status": "OPEN",
    "status_message": None, "order_timestamp": "2026-11-23 10:00:00", "exchange_update_timestamp": None,
    "exchange_timestamp": None, "variety": "regular", "exchange": "NSE", "tradingsymbol": "TCS",
    "instrument_token": 2953217, "order_type": "LIMIT", "transaction_type": "BUY", "validity": "DAY", "product": "MIS",
    "quantity": 1, "disclosed_quantity": 0, "price": 3000, "trigger_price": 0, "average_price": 0, "filled_quantity": 0,
    "pending_quantity": 1, "cancelled_quantity": 0, "market_protection": 0, "meta": {}, "tag": None, "guid": "x",
}  # fmt: skip


@pytest.fixture
def kite() -> Iterator[KiteInThread]:
    with kite_in_thread() as kite:
        yield kite


def venue_at(
    address: str, folder: Path, *, token: str = "", mode: Literal["live", "paper"] = "live", **settings: str
) -> ExaminedVenue:
    section = KiteSection(
        rest=address, ticker=address.replace("http", "ws"), api_key=SecretStr("key-of-our-app"),
        api_secret=SecretStr("secret-of-it"), access_token=SecretStr(token), account_id="AB1234", **settings,
    )  # fmt: skip
    sections: dict[str, Any] = {"kite": section}
    config = Config(app=AppSection(mode=mode, state_dir=folder), venue=VenueSection(name="kite"), **sections)
    found = find_venue(config)
    assert found is not None
    return found


def saved(place: ExaminedVenue, token: str = TOKEN, *, ends_at: int = 0) -> SavedLogin:
    login = SavedLogin(
        belongs_to=login_digest("kite", place.access), account_id="AB1234", keys={"access_token": token},
        issued_at=1, ends_at=ends_at,
    )  # fmt: skip
    save_login(login_path(place.state_dir, "kite"), login)
    return login


def colours(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.check, one.colour.value) for one in found]


def test_a_broker_that_answers_gives_its_clock_and_our_address(kite: KiteInThread, tmp_path: Path) -> None:
    place = venue_at(kite.address, tmp_path, bind_address="127.0.0.1", expected_address="127.0.0.1")
    found = list(check_broker(place, clock=CLOCK))
    assert colours(found) == [
        ("address", "green"), ("broker", "green"), ("broker", "green"), ("clock", "green"), ("address", "green")
    ]  # fmt: skip
    assert kite.asked == ["/", "/"], "no key left"


def test_a_clock_that_is_wrong_shows_in_the_date_of_the_answer() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nDate: Mon, 05 Jan 2026 04:30:00 GMT\r\nContent-Length: 0\r\n\r\n") as url:
        reached = reach_venue(url, bind_address="", ca_bundle="", clock=CLOCK)
    assert reached.offset_s is not None
    assert abs(reached.offset_s) > 3600


@pytest.mark.parametrize("answer", [b"", b"220 mail.example.com ESMTP\r\n", b"HTTP/1.1 200 OK\r\nDate: soon\r\n\r\n"])
def test_an_answer_without_a_time_leaves_the_clock_open(answer: bytes) -> None:
    with answering(answer) as url:
        reached = reach_venue(url, bind_address="", ca_bundle="", clock=CLOCK)
    assert (reached.failure, reached.offset_s) == ("", None)
    assert reached.local_address == "127.0.0.1"


def test_an_address_that_nothing_listens_on_is_red(tmp_path: Path) -> None:
    found = list(check_broker(venue_at(f"http://127.0.0.1:{free_port()}", tmp_path), clock=CLOCK))
    assert colours(found) == [("broker", "red"), ("broker", "red"), ("clock", "yellow")]
    assert "no connection" in found[0].what


def test_a_server_without_tls_and_one_with_a_certificate_of_its_own_are_red() -> None:
    with answering(b"HTTP/1.1 400 no\r\n\r\n") as url:
        found = judge_reached(reach_venue(url.replace("http:", "https:"), bind_address="", ca_bundle="", clock=CLOCK))
    assert found.colour is Colour.RED
    assert "TLS" in found.what


def test_a_ca_bundle_that_holds_nothing_is_red(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with answering(b"") as url:
        reached = reach_venue(
            url.replace("http:", "https:"), bind_address="", ca_bundle=str(tmp_path / "ca.pem"), clock=CLOCK
        )
    assert "ca_bundle" in reached.failure


def test_a_name_that_is_not_known_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    found = judge_reached(reach_venue("https://api.example.invalid", bind_address="", ca_bundle="", clock=CLOCK))
    assert (found.colour, "cannot be looked up" in found.what) == (Colour.RED, True)


def test_a_bind_address_of_another_machine_is_red() -> None:
    assert judge_bind_address("") is None
    for address, colour in (("127.0.0.1", Colour.GREEN), ("203.0.113.7", Colour.RED), ("1.2.3", Colour.RED)):
        found = judge_bind_address(address)
        assert found is not None
        assert found.colour is colour, found


@pytest.mark.parametrize(
    ("local", "expected", "colour"),
    [
        ("198.51.100.4", "198.51.100.4", Colour.GREEN),
        ("8.8.4.4", "198.51.100.4", Colour.RED),
        ("192.168.1.5", "198.51.100.4", Colour.YELLOW),
        ("127.0.0.1", "127.0.0.2", Colour.RED),
        ("192.168.1.5", "", Colour.YELLOW),
    ],
)
def test_the_address_that_requests_leave_from_is_held_against_the_expected_one(
    local: str, expected: str, colour: Colour
) -> None:
    access = VenueAccess(
        addresses={"rest": "https://broker"}, credentials=Credentials(api_key="x"), expected_address=expected
    )
    assert judge_local_address(local, access, is_live=True).colour is colour


def test_a_saved_login_that_is_accepted_shows_account_plan_and_orders(kite: KiteInThread, tmp_path: Path) -> None:
    place = venue_at(kite.address, tmp_path)
    saved(place)
    found = list(check_account(place, clock=CLOCK))
    assert colours(found) == [("login", "green"), ("plan", "green"), ("orders", "green")], found
    assert kite.asked[:3] == ["/user/profile", "/quote", "/orders"]


def test_a_dead_saved_login_gives_way_to_a_token_of_the_settings(kite: KiteInThread, tmp_path: Path) -> None:
    place = venue_at(kite.address, tmp_path, token=TOKEN)
    saved(place, "token-of-yesterday")
    assert colours(list(check_account(place, clock=CLOCK)))[0] == ("login", "green")


def test_without_a_login_it_is_yellow_with_the_verb(kite: KiteInThread, tmp_path: Path) -> None:
    place = venue_at(kite.address, tmp_path)
    (found,) = check_account(place, clock=CLOCK)
    assert (found.colour, "tradebot login kite" in found.remedy) == (Colour.YELLOW, True)
    saved(place, "token-of-yesterday")
    (found,) = check_account(venue_at(kite.address, tmp_path), clock=CLOCK)
    assert (found.colour, "not accepted any more" in found.what) == (Colour.YELLOW, True)
    assert "token-of-yesterday" not in str(found)


def test_a_login_of_another_account_is_red(kite: KiteInThread, tmp_path: Path) -> None:
    kite.answers["/user/profile"] = kite.answers["/user/profile"] | {"user_id": "ZZ9999"}
    found = list(check_account(venue_at(kite.address, tmp_path, token=TOKEN), clock=CLOCK))
    assert (found[0].colour, "AB1234" in found[0].what) == (Colour.RED, True)


def test_an_account_without_the_exchange_or_the_product_is_red(kite: KiteInThread, tmp_path: Path) -> None:
    kite.answers["/user/profile"] = kite.answers["/user/profile"] | {"exchanges": ["MCX"], "products": ["CNC"]}
    found = list(check_account(venue_at(kite.address, tmp_path, token=TOKEN), clock=CLOCK))
    assert ("rights", "red") in colours(found)
    assert "NSE, MIS" in next(one.what for one in found if one.check == "rights")


def test_a_plan_without_market_data_is_red_and_hides_nothing(kite: KiteInThread, tmp_path: Path) -> None:
    def denied(_: web.Request) -> web.Response:
        return failure(403, "PermissionException", "Insufficient permission for that call.")

    kite.answers["/quote"] = denied
    found = list(check_account(venue_at(kite.address, tmp_path, token=TOKEN), clock=CLOCK))
    assert colours(found) == [("login", "green"), ("plan", "red"), ("orders", "green")]


def test_a_broker_that_fails_is_red_and_one_whose_list_is_spoiled_yellow(kite: KiteInThread, tmp_path: Path) -> None:
    kite.answers["/orders"] = lambda _: web.Response(status=502, text="<html>bad gateway</html>")
    found = list(check_account(venue_at(kite.address, tmp_path, token=TOKEN), clock=CLOCK))
    assert colours(found)[-1] == ("orders", "yellow")
    kite.answers["/user/profile"] = lambda _: web.Response(status=502, text="<html>bad gateway</html>")
    assert colours(list(check_account(venue_at(kite.address, tmp_path, token=TOKEN), clock=CLOCK))) == [
        ("login", "red")
    ]


def test_orders_that_the_journal_does_not_know_are_told_apart(kite: KiteInThread, tmp_path: Path) -> None:
    theirs = ROW | {"order_id": "2", "tag": "Tmh1k2v9x00017"}
    kite.answers["/orders"] = [ROW, theirs, ROW | {"order_id": "3", "status": "COMPLETE", "filled_quantity": 1}]
    found = [
        o for o in check_account(venue_at(kite.address, tmp_path, token=TOKEN), clock=CLOCK) if o.check == "orders"
    ]
    assert [(one.colour, one.what.partition(":")[0]) for one in found] == [
        (Colour.RED, "1 orders work at the venue"), (Colour.YELLOW, "1 orders work at the venue")
    ]  # fmt: skip
    paper = venue_at(kite.address, tmp_path, token=TOKEN, mode="paper")
    assert [o.colour for o in check_account(paper, clock=CLOCK) if o.check == "orders"] == [Colour.GREEN]


def test_orders_that_the_journal_knows_are_green() -> None:
    order = VenueOrder(
        venue_order_id="7", tag="Tmh1k2v9x00017", symbol="TCS", exchange="NSE", side=Side.BUY, kind=OrderKind.LIMIT,
        status=VenueOrderStatus.OPEN, quantity=Decimal(1), filled=Decimal(0),
    )  # fmt: skip
    for known in (["Tmh1k2v9x00017"], ["7"]):
        assert [one.colour for one in judge_open_orders([order], known)] == [Colour.GREEN]
    assert [one.colour for one in judge_open_orders([order], ["8"])] == [Colour.RED]


def test_offline_the_saved_login_speaks_for_itself(tmp_path: Path) -> None:
    place = venue_at("https://api.example.com", tmp_path)
    now = CLOCK.wall_ns()
    assert [one.colour for one in check_login_offline(place, clock=CLOCK)] == [Colour.YELLOW]
    assert judge_saved_login(saved(place, ends_at=now + HOUR), place, now=now).colour is Colour.GREEN
    ended = judge_saved_login(saved(place, ends_at=now - 1), place, now=now)
    assert (ended.colour, "ended" in ended.what) == (Colour.YELLOW, True)
    other = venue_at("https://api.example.org", tmp_path)
    assert "another app" in judge_saved_login(saved(place), other, now=now).what


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Serve one connection that gets `answer` and is closed."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(CONNECT_WITHIN_S * 2)

        def serve() -> None:
            link, _ = server.accept()
            with link:
                link.settimeout(CONNECT_WITHIN_S * 2)
                link.recv(4096)
                link.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join(10)
