"""The login of a start: saved keys, then given ones, then the wait for a person, which a login or a stop ends."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tests.daemon.login.login_rig import GRANT, NEW, OLD, REQUEST_TOKEN, LoginRig
from tests.told import Told
from tradebot.clock import SECOND
from tradebot.daemon.login.broker_login import BrokerLogin
from tradebot.daemon.login.login_at_start import NO_KEYS, account_of_login, report_rights
from tradebot.domain.venue_reports import AccountProfile
from tradebot.errors import (
    AccessDenied,
    KeysRefused,
    LinkLost,
    LoginLost,
    LoginRefused,
    StoppedEarly,
    VenueUnavailable,
)
from tradebot.markets.listing import universe_for
from tradebot.ops.events.venue import InstrumentsNotRead


async def start(rig: LoginRig, **hooks: Any) -> str:
    reader: Any = rig.reader
    return await account_of_login(
        reader, rig.login, start_retry=rig.start_retry(), hooks=rig.hooks(**hooks), clock=rig.clock
    )


async def saved_in(folder: Path) -> None:
    await LoginRig(folder).login.log_in(REQUEST_TOKEN)


def at_poll(rig: LoginRig, number: int, act: Any) -> None:
    """Call `act` in the `number`th pause of the wait."""
    pauses = [0]

    async def slept(_: float) -> None:
        pauses[0] += 1
        assert pauses[0] < 20_000, "the wait does not end"
        if pauses[0] == number:
            found = act()
            if found is not None:
                await found

    rig.clock.on_sleep = slept


async def test_a_saved_login_comes_before_the_token_of_the_settings(tmp_path: Path) -> None:
    await saved_in(tmp_path)
    rig = LoginRig(tmp_path, given=OLD)
    rig.reader.accepted.add(OLD)
    assert await start(rig) == "AB1234"
    assert (rig.reader.asked, rig.told.of("login_accepted")[0]["came_from"]) == ([NEW], "saved")


async def test_where_the_venue_refuses_the_saved_login_the_token_of_the_settings_is_tried(tmp_path: Path) -> None:
    await saved_in(tmp_path)
    rig = LoginRig(tmp_path, given=OLD)
    rig.reader.accepted = {OLD}
    assert await start(rig) == "AB1234"
    assert rig.reader.asked == [NEW, OLD]
    (accepted,) = rig.told.of("login_accepted")
    assert (accepted["came_from"], "consent" in accepted) == ("setting", False)
    assert rig.login.issued_at == 0, "when a given token was issued is not known"
    rig.route.answer = msgspec.structs.replace(GRANT, account_id="ZZ9999")
    await rig.login.log_in(REQUEST_TOKEN)  # the account of keys that were refused binds no run


async def test_a_start_without_keys_waits_for_a_person_and_goes_on_with_the_new_login(tmp_path: Path) -> None:
    rig, needed = LoginRig(tmp_path), list[str]()
    at_poll(rig, 1000, lambda: rig.login.log_in(rig.back()))

    def note(login: BrokerLogin) -> None:
        needed.append(login.lost_reason)

    assert await start(rig, on_login_needed=note) == "AB1234"
    assert (rig.reader.asked, needed) == ([NEW], [NO_KEYS])
    assert rig.told.names == ["login_needed", "login_accepted"]
    assert rig.login.state == "LOGGED_IN"


async def test_the_wait_has_no_limit_and_reminds_of_itself(tmp_path: Path) -> None:
    rig = LoginRig(tmp_path, given=OLD)
    at_poll(rig, 2 * 3600 * 2, lambda: rig.login.log_in(rig.back()))  # after two hours of pauses of half a second
    assert await start(rig) == "AB1234"
    assert len(rig.told.of("login_needed")) == 8
    assert "does not know our login" in rig.told.of("login_needed")[0]["reason"]


async def test_a_refused_token_leaves_the_start_waiting(tmp_path: Path) -> None:
    rig = LoginRig(tmp_path)
    rig.route.answer = LoginRefused("used up")

    async def refused() -> None:
        with pytest.raises(LoginRefused):
            await rig.login.log_in(rig.back())
        at_poll(rig, 5, rig_stops.clear)

    rig_stops = ["on"]
    at_poll(rig, 5, refused)
    with pytest.raises(StoppedEarly):
        await start(rig, stopped=lambda: not rig_stops)
    assert (rig.reader.asked, rig.login.state) == ([], "NEED_LOGIN")


async def test_a_login_that_the_venue_refuses_right_away_is_waited_for_again(tmp_path: Path) -> None:
    rig, needed = LoginRig(tmp_path), list[str]()
    rig.reader.failures = [LoginLost("a login from elsewhere ended it")]

    def wait(login: BrokerLogin) -> None:
        needed.append(login.lost_reason)
        at_poll(rig, 3, lambda: rig.login.log_in(rig.back()))

    assert await start(rig, on_login_needed=wait) == "AB1234"
    assert needed == [NO_KEYS, "a login from elsewhere ended it"]


class Started:
    """A start that has its account by the token of the settings, and asks on under that login."""

    def __init__(self, folder: Path, **hooks: Any) -> None:
        self.rig, self.needed = LoginRig(folder, given=OLD), list[str]()
        self.rig.reader.accepted = {OLD}
        self._start_retry, self._hooks = self.rig.start_retry(), hooks

    async def begin(self) -> None:
        """Find the account."""
        reader: Any = self.rig.reader
        hooks = self.rig.hooks(**{"on_login_needed": lambda login: self.needed.append(login.lost_reason)} | self._hooks)
        await account_of_login(reader, self.rig.login, start_retry=self._start_retry, hooks=hooks, clock=self.rig.clock)

    async def ask(self) -> str:
        """Ask what a start asks after its account."""
        return await self._start_retry.retry_until_answered(
            self.rig.reader.fetch_account_id, failed=InstrumentsNotRead, gave_up="no answer"
        )

    def log_in_at(self, number: int) -> None:
        """Let a person log in in the `number`th pause, which ends the keys of before."""
        self.rig.reader.accepted = set()

        async def log_in() -> None:
            self.rig.reader.accepted = {NEW}
            await self.rig.login.log_in(self.rig.back())

        at_poll(self.rig, number, log_in)


async def test_a_login_that_ends_after_the_account_was_found_does_not_end_the_start(tmp_path: Path) -> None:
    started = Started(tmp_path)
    await started.begin()
    started.log_in_at(500)
    assert await started.ask() == "AB1234"
    assert started.needed == ["Kite does not know our login any more"]
    assert started.rig.told.names == ["login_accepted", "login_needed", "login_accepted"]


async def test_keys_that_are_newer_than_the_refused_ones_are_used_without_another_login(tmp_path: Path) -> None:
    started = Started(tmp_path)
    await started.begin()
    started.rig.reader.failures = [LoginLost("a late answer to the keys of before")]
    assert await started.ask() == "AB1234"
    assert started.needed == []


async def test_a_login_while_the_keys_of_the_one_before_are_asked_for_is_enough(tmp_path: Path) -> None:
    rig, needed = LoginRig(tmp_path), list[str]()
    fetch = rig.reader.fetch_account_id

    async def overtaken() -> str:
        rig.reader.fetch_account_id = fetch  # type: ignore[method-assign]
        await rig.login.log_in(rig.back())
        raise LoginLost("the login before this one has ended")

    rig.reader.fetch_account_id = overtaken  # type: ignore[method-assign]
    at_poll(rig, 3, lambda: rig.login.log_in(rig.back()))
    assert await start(rig, on_login_needed=lambda login: needed.append(login.lost_reason)) == "AB1234"
    assert needed == [NO_KEYS]


async def test_a_login_of_another_account_ends_a_start_that_has_one(tmp_path: Path) -> None:
    started = Started(tmp_path)
    await started.begin()

    async def account() -> str:
        if started.rig.login.login_count == 0:
            raise LoginLost("ended")
        return "ZZ9999"

    started.rig.reader.fetch_account_id = account  # type: ignore[method-assign]
    started.log_in_at(2)
    with pytest.raises(AccessDenied, match="is of account ZZ9999, but this start is of account AB1234; start again"):
        await started.ask()


async def test_a_dry_start_does_not_wait_for_a_login_that_ends_in_its_middle(tmp_path: Path) -> None:
    started = Started(tmp_path, may_wait=False)
    await started.begin()
    started.rig.reader.accepted = set()
    with pytest.raises(LoginLost, match="run `tradebot login kite` while the daemon runs"):
        await started.ask()
    assert started.needed == []


async def test_the_operator_ends_the_wait(tmp_path: Path) -> None:
    rig = LoginRig(tmp_path)
    began = rig.clock.now_ns
    with pytest.raises(StoppedEarly, match="while it waited for a login; nothing was sent"):
        await start(rig, stopped=lambda: rig.clock.now_ns >= began + 7 * SECOND)
    assert rig.clock.now_ns - began <= 7.5 * SECOND


async def test_a_wrong_secret_ends_the_wait_because_no_login_can_mend_it(tmp_path: Path) -> None:
    rig = LoginRig(tmp_path)
    rig.route.answer = KeysRefused("kite.api_secret is not the secret of this app")

    async def refused() -> None:
        with pytest.raises(KeysRefused):
            await rig.login.log_in(rig.back())

    at_poll(rig, 3, refused)
    with pytest.raises(KeysRefused, match="is not the secret of this app"):
        await start(rig)
    assert KeysRefused.exit_code == 77


@pytest.mark.parametrize(
    ("secret", "may_wait"), [("secret-of-our-app", False), ("", True)], ids=("dry start", "no secret")
)
async def test_a_start_that_cannot_wait_ends_with_the_command_to_log_in(
    secret: str, may_wait: bool, tmp_path: Path
) -> None:
    for given, reason in (("", NO_KEYS), (OLD, "does not know our login")):
        rig, needed = LoginRig(tmp_path, secret=secret, given=given), list[BrokerLogin]()
        with pytest.raises(LoginLost, match=rf"{reason}.*; run `tradebot login kite` while the daemon runs"):
            await start(rig, may_wait=may_wait, on_login_needed=needed.append)
        assert (needed, rig.told) == ([], [])


async def test_the_login_is_handed_out_before_it_is_used_and_a_venue_that_is_away_is_not_a_lost_login(
    tmp_path: Path,
) -> None:
    rig, handed = LoginRig(tmp_path, given=OLD), list[tuple[BrokerLogin, int]]()
    rig.reader.failures = [LinkLost("HTTP 502")] * 10_000
    with pytest.raises(VenueUnavailable, match="HTTP 502"):
        await start(rig, on_login=lambda login: handed.append((login, rig.credentials.version)))
    assert handed == [(rig.login, 0)]
    assert "login_needed" not in rig.told.names


async def test_a_right_that_is_missing_ends_the_start_as_it_is(tmp_path: Path) -> None:
    rig = LoginRig(tmp_path, given=OLD)
    rig.reader.failures = [AccessDenied("the address is not registered")]
    with pytest.raises(AccessDenied, match=r"^the address is not registered$"):
        await start(rig)


async def test_a_venue_without_a_login_of_ours_is_asked_for_its_account_alone(tmp_path: Path) -> None:
    rig = LoginRig(tmp_path, given=NEW)
    reader: Any = rig.reader
    found = await account_of_login(reader, None, start_retry=rig.start_retry(), hooks=rig.hooks(), clock=rig.clock)
    assert (found, rig.told, rig.credentials.version) == ("AB1234", [], 0)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, []),
        (LoginLost("ended"), []),
        (LinkLost("HTTP 502"), []),
        (AccessDenied("Insufficient permission for that call."), ["market_data_denied"]),
    ],
)
async def test_a_plan_without_market_data_is_told_and_ends_nothing(answer: Exception | None, told: list[str]) -> None:
    asked, heard = list[tuple[str, ...]](), Told()

    async def fetch_quotes(universe: Any) -> None:
        asked.append(universe.symbols)
        if answer is not None:
            raise answer

    async def fetch_profile() -> AccountProfile:
        return AccountProfile(account_id="AB1234")

    reader: Any = SimpleNamespace(fetch_quotes=fetch_quotes, fetch_profile=fetch_profile)
    await report_rights(reader, universe_for(["TCS", "INFY"]), product="MIS", tell=heard)
    assert (heard.names, asked) == (told, [("TCS",)])
    assert [fields["reason"] for fields in heard.of("market_data_denied")] == [str(answer)] * len(told)


@pytest.mark.parametrize(
    ("exchanges", "products", "missing"),
    [
        (("NSE", "BSE"), ("CNC", "MIS"), []),
        ((), (), []),  # a venue that does not say
        (("BSE",), ("CNC", "MIS"), ["NSE"]),
        (("NSE",), ("CNC",), ["MIS"]),
        (("MCX",), ("CNC",), ["NSE", "MIS"]),
    ],
)
async def test_what_the_account_may_not_trade_is_told_before_the_venue_refuses_an_order(
    exchanges: tuple[str, ...], products: tuple[str, ...], missing: list[str]
) -> None:
    async def fetch_profile() -> AccountProfile:
        return AccountProfile(account_id="AB1234", exchanges=exchanges, products=products)

    async def fetch_quotes(universe: Any) -> None:
        return None

    heard = Told()
    reader: Any = SimpleNamespace(fetch_quotes=fetch_quotes, fetch_profile=fetch_profile)
    await report_rights(reader, universe_for(["TCS", "INFY"]), product="MIS", tell=heard)
    assert [fields["missing"] for fields in heard.of("rights_lacked")] == ([missing] if missing else [])


@pytest.mark.parametrize(
    ("product", "consent", "told"),
    [("CNC", "physical", ["physical"]), ("CNC", "consent", []), ("CNC", "", []), ("MIS", "physical", [])],
)
async def test_that_shares_may_not_leave_the_demat_account_is_told_where_a_stop_would_sell_them(
    product: str, consent: str, told: list[str]
) -> None:
    async def fetch_profile() -> AccountProfile:
        return AccountProfile(account_id="AB1234", consent=consent)

    async def fetch_quotes(universe: Any) -> None:
        return None

    heard = Told()
    reader: Any = SimpleNamespace(fetch_quotes=fetch_quotes, fetch_profile=fetch_profile)
    await report_rights(reader, universe_for(["TCS"]), product=product, tell=heard)
    assert [fields["consent"] for fields in heard.of("demat_consent_lacked")] == told
