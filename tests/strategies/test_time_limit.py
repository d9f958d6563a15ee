"""The limit on a strategy's own time, in the main thread and in others."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import pytest

from tradebot.strategies.time_limit import TooSlow, time_limit


def in_a_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive(), "the thread hangs"


def loop() -> None:
    while True:
        pass


@pytest.mark.parametrize("run", [lambda work: work(), in_a_thread], ids=["main thread", "another thread"])
def test_what_loops_for_ever_is_ended_with_a_sentence(run: Callable[[Callable[[], None]], None]) -> None:
    said: list[str] = []

    def work() -> None:
        try:
            with time_limit(0.05):
                loop()
        except TooSlow as fault:
            said.append(f"{type(fault).__name__}: {fault}")

    run(work)

    assert said == ["TooSlow: took longer than 0.05 s"]


@pytest.mark.parametrize("run", [lambda work: work(), in_a_thread], ids=["main thread", "another thread"])
def test_what_swallows_its_end_is_ended_again(run: Callable[[Callable[[], None]], None]) -> None:
    ends: list[str] = []

    def stubborn() -> None:
        try:
            loop()
        except TooSlow:
            ends.append("swallowed")
            loop()

    def work() -> None:
        try:
            with time_limit(0.3):  # long against a pause of the machine between the end and what it is followed by
                stubborn()
        except TooSlow:
            ends.append("ended")

    run(work)

    assert ends == ["swallowed", "ended"]


@pytest.mark.parametrize("run", [lambda work: work(), in_a_thread], ids=["main thread", "another thread"])
def test_after_the_block_nothing_is_interrupted(run: Callable[[Callable[[], None]], None]) -> None:
    done: list[int] = []
    rest = threading.Event()

    def work() -> None:
        for _ in range(200):
            with contextlib.suppress(TooSlow), time_limit(0.001):  # a pause of the machine may be as long as that
                pass
        rest.wait(0.1)
        done.append(1)

    run(work)

    assert done == [1]
