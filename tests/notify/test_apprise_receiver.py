"""Receivers of apprise against a real HTTP receiver: delivered, refused, hung; addresses stay inside."""

from __future__ import annotations

import asyncio
import importlib.util
import logging

import pytest

from tests.notify.http_receiver import http_receiver
from tradebot.notify import apprise_receiver
from tradebot.notify.alert_text import AlertMessage
from tradebot.notify.apprise_receiver import address_problems, create_receivers, receiver_name
from tradebot.notify.receiver import NotDelivered

MESSAGE = AlertMessage("LIVE: ERROR halt raised", "10:00:00 IST loss\n  Do: read")
CANARY = "canary-Hook-Secret-0001"


async def test_a_message_arrives_with_title_and_body() -> None:
    async with http_receiver() as http:
        (receiver,) = create_receivers([http.address])
        await receiver.deliver_message(MESSAGE)
        assert await http.messages(1) == [f"{MESSAGE.title}\n{MESSAGE.body}"]
        assert receiver.name == "json 1"


class RootLog(logging.Handler):
    """What reaches the root logger, and from there our log."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


async def test_a_refusal_and_a_dead_port_say_why_and_nothing_of_it_reaches_the_log() -> None:
    root = RootLog()
    logging.getLogger().addHandler(root)
    async with http_receiver() as http:
        http.status = 500
        (receiver,) = create_receivers([http.address])
        with pytest.raises(NotDelivered, match="500") as refused:
            await receiver.deliver_message(MESSAGE)
    with pytest.raises(NotDelivered, match="onnection") as dead:
        await receiver.deliver_message(MESSAGE)
    logging.getLogger().removeHandler(root)
    assert CANARY not in f"{refused.value} {dead.value} {root.lines}"
    assert not [line for line in root.lines if "JSON" in line]


async def test_a_receiver_that_hangs_is_given_up_and_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apprise_receiver, "DELIVER_WITHIN_S", 0.2)
    async with http_receiver() as hung, http_receiver() as fine:
        hung.hangs = True
        first, second = create_receivers([hung.address, fine.address])
        with pytest.raises(NotDelivered, match=r"within 0\.2 s"):
            await first.deliver_message(MESSAGE)
        with pytest.raises(NotDelivered, match="still hangs"):
            await first.deliver_message(MESSAGE)
        await second.deliver_message(MESSAGE)
        assert hung.requests == 1
        assert len(fine.bodies) == 1
        thread = first._thread
        assert thread is not None
        assert thread.daemon
    await asyncio.to_thread(thread.join, 10)


async def test_what_a_plugin_raises_only_keeps_its_message_back() -> None:
    class Plugin:
        def notify(self, **_: str) -> bool:
            raise KeyError("a plugin's own bug")

    with pytest.raises(NotDelivered, match="KeyError"):
        await apprise_receiver.AppriseReceiver("x 1", Plugin()).deliver_message(MESSAGE)


def test_addresses_that_apprise_does_not_know_are_named_by_number_alone() -> None:
    problems = address_problems(["json://127.0.0.1:1/x", f"nosuch://{CANARY}", "json://"])
    assert problems == ["address 2 of 3 is not known to apprise", "address 3 of 3 is not known to apprise"]
    assert address_problems([]) == []
    assert "more than 16" in address_problems(["json://127.0.0.1:1/x"] * 17)[0]


def test_without_the_extra_the_problem_is_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apprise_receiver, "find_spec", lambda name: None)
    assert address_problems(["json://127.0.0.1:1/x"]) == ["needs apprise; run pip install 'tradebot[notify]'"]
    assert importlib.util.find_spec("apprise") is not None


def test_a_receivers_name_holds_nothing_of_the_address_but_its_scheme() -> None:
    assert receiver_name(f"tgram://{CANARY}/77", 2) == "tgram 2"
    assert receiver_name(CANARY, 1) == "address 1"


async def test_a_long_message_goes_to_a_chat_in_parts() -> None:
    import apprise

    (receiver,) = create_receivers(["json://127.0.0.1:1/x"])
    assert receiver._service.overflow_mode == apprise.OverflowMode.SPLIT
