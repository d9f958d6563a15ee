"""The start of a run: books that cannot be read at once, crashes before, and a login that it waits for."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from tradebot.clock import SECOND, ManualClock
from tradebot.daemon.daemon import Daemon
from tradebot.daemon.daemon_start import DaemonStart
from tradebot.daemon.login.broker_login import BrokerLoginState
from tradebot.daemon.start_retry import StartRetry
from tradebot.domain.messages import AccountSnapshot, Command
from tradebot.errors import LinkLost, VenueUnavailable
from tradebot.journal.crash_history import CrashedRun
from tradebot.journal.recovery import RecoveredState
from tradebot.ops.systemd import Notifier

BOOKS = AccountSnapshot(asked_at=0, orders=(), fills=(), positions=(), cash=Decimal(0))


def daemon(failures: int) -> Any:
    asked: list[int] = []

    async def reconcile() -> AccountSnapshot:
        asked.append(1)
        if len(asked) <= failures:
            raise LinkLost("too many requests")
        return BOOKS

    bare: Any = Daemon.__new__(Daemon)
    bare.asked, bare.said = asked, []
    bare.engine = SimpleNamespace(reconcile_at_start=reconcile)
    start_retry = StartRetry(
        within_s=60.0,
        clock=ManualClock(),
        tell=lambda event: bare.said.append((event.name, event.log_fields()["tries"])),
    )
    bare._venue_session = SimpleNamespace(clock=start_retry._clock, patience=start_retry)
    return bare


async def test_a_start_right_after_a_crash_outlasts_the_venues_rate_limit() -> None:
    bare = daemon(failures=2)
    assert await bare._compare() is BOOKS
    assert bare.said == [("books_not_read", 1)]
    assert bare._venue_session.clock.now_ns == int(1.5 * SECOND)


async def test_a_venue_that_never_shows_its_books_ends_the_start() -> None:
    bare = daemon(failures=10**9)
    with pytest.raises(VenueUnavailable, match=r"could not be read at start \(.* in 60 s\): too many requests"):
        await bare._compare()


@pytest.mark.parametrize(("crashes", "most", "is_halted"), [(3, 3, True), (2, 3, False), (3, 0, False)])
async def test_a_start_after_too_many_crashes_gives_the_desk_a_halt_of_everything(
    crashes: int, most: int, is_halted: bool
) -> None:
    bare, given = daemon(failures=0), list[Command]()

    async def command(command: Command) -> None:
        given.append(command)

    bare.engine.execute_command = command
    bare._config = SimpleNamespace(risk=SimpleNamespace(max_crashes=most))
    bare._recovery = RecoveredState(crashed_runs=tuple(CrashedRun(f"T{i}", 0) for i in range(crashes)))
    await bare._halt_from_the_start()
    assert [(c.verb, str(c.scope)) for c in given] == ([("halt", "all")] if is_halted else [])


def test_a_start_needs_a_login_from_when_it_waits_for_one_until_it_has_it() -> None:
    config: Any = SimpleNamespace(mode_label="live")
    start = DaemonStart(config, "T1", notifier=Notifier({}, pid=1), clock=ManualClock(), stopped=lambda: False)
    login: Any = SimpleNamespace(
        state=BrokerLoginState.NEED_LOGIN, place=SimpleNamespace(adapter=SimpleNamespace(name="kite"))
    )
    needs = [start.needs_login]
    start.hooks(may_wait=True).on_login_needed(login)
    needs.append(start.needs_login)
    login.state = BrokerLoginState.LOGGED_IN
    needs.append(start.needs_login)
    assert needs == [False, True, False]
