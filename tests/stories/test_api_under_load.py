"""The API of a running daemon under load: beyond its rate a client gets 429, orders go on, readers are served."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.patient_trader import EAGER
from tests.stories.kite_person import free_port
from tradebot.bench.api.load import ApiLoad, run_load
from tradebot.control.api_token import load_token, token_path
from tradebot.control.request_guard import HTTP_BURST, HTTP_PER_S

pytestmark = pytest.mark.timeout(180)
LOAD_S, OFFERED = 30.0, 1_000
SPEED = "120"
P99 = ("quote_to_signal_p99_us", "signal_to_order_p99_us", "quote_to_order_p99_us", "loop_lag_p99_us")


def traded(
    start: Any, folder: Path, *, offered: int, readers: int = 0
) -> tuple[dict[str, Any], Counter[int], list[int]]:
    """Run a daemon for the time of the load; returns its summary, the answers by status, the events of each reader."""
    (folder / "eager.py").write_text(EAGER)
    port = free_port()
    daemon = start(
        "--symbols", "RELIANCE,TCS,INFY", "--workers", "0", "--strategy", f"{folder}/eager.py:Trader",
        "--speed", SPEED, "--for", f"{LOAD_S + 5:.0f}s", env={"TRADEBOT_API__LISTEN": f"127.0.0.1:{port}"},
    )  # fmt: skip
    daemon.event("trading_started")
    answers, events = Counter[int](), list[int]()

    async def load() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(LOAD_S, stop.set)
        token = load_token(token_path(folder / "state"))
        found = await run_load(port, token, ApiLoad(per_second=offered, readers=readers), stop)
        answers.update(found.answers | {0: found.unanswered})
        events.extend(found.events)

    thread = threading.Thread(target=lambda: asyncio.run(load()), name="load")
    thread.start()
    said = daemon.wait(LOAD_S + 30)
    thread.join()
    assert (said.code, said.all("daemon_stopped") != []) == (0, True), said.errors
    return said.one("run_summarized"), answers, events


def test_a_thousand_requests_a_second_get_429_beyond_the_rate_and_orders_go_on(
    start: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet, _, _ = traded(start, tmp_path, offered=0)
    loud, answers, _ = traded(start, tmp_path, offered=OFFERED)
    assert answers[200] <= HTTP_BURST + HTTP_PER_S * (LOAD_S + 1)
    assert answers[429] > 20 * answers[200]
    assert set(answers) <= {0, 200, 429}
    assert answers[0] < 0.01 * sum(answers.values()), "the connections that end after their time, and no others"
    assert loud["filled"] > 0.7 * quiet["filled"] > 10
    with capsys.disabled():
        figures = ", ".join(f"{name} {quiet[name]} -> {loud[name]}" for name in P99)
        sys.stdout.write(f"\n{dict(answers)}; orders {quiet['orders']} -> {loud['orders']}; {figures}")


def test_a_moderate_client_and_ten_readers_of_events_are_served_whole(
    start: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary, answers, events = traded(start, tmp_path, offered=20, readers=10)
    assert answers[200] > 0.9 * sum(answers.values())
    assert max(events) > 50
    assert max(events) - min(events) < 20, "they began within a moment, and read the same"
    with capsys.disabled():
        sys.stdout.write(
            f"\n{dict(answers)}; events {min(events)} to {max(events)}; " + ", ".join(f"{n} {summary[n]}" for n in P99)
        )
