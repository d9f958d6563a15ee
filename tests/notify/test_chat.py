"""The chat over a real socket: commands, codes, strangers, age, restarts, and a server that errs."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.notify.bot_server import CHAT, bot_server
from tests.notify.chat_rig import NOW_S, KeptOperator, chat_rig
from tradebot.clock import SECOND
from tradebot.notify import chat_offset
from tradebot.notify.chat import COMMANDS_PER_MINUTE


async def test_questions_are_answered_from_the_status(tmp_path: Path) -> None:
    async with chat_rig(tmp_path) as chat:
        assert (await chat.ask("/status")).startswith("LIVE: trading, kite, run T1\nnot halted\nsession open;")
        assert "day: 1 after charges of 1; 1 orders, 1 fills" in await chat.ask("/pnl@my_bot")
        positions = await chat.ask("/positions")
        assert "TCS 10 MIS at 3400, last 3412, 120" in positions
        assert "INFY 5 CNC at 1500, no price (external)" in positions
        assert "/flatten" in await chat.ask("hello")
        assert not chat.operator.done


async def test_a_halt_acts_at_once(tmp_path: Path) -> None:
    async with chat_rig(tmp_path) as chat:
        assert (await chat.ask("/halt  results   today")).startswith("Halted: results today.")
        assert chat.operator.done == [("halt", {"reason": "results today"})]
        assert chat.told.of("chat_command_answered")[0]["command"] == "/halt"


async def test_resume_and_flatten_act_only_with_their_code_in_time(tmp_path: Path) -> None:
    async with chat_rig(tmp_path) as chat:
        assert "/yes 1234" in await chat.ask("/flatten")
        assert not chat.operator.done
        assert (await chat.ask("/yes 1234")).startswith("Flattening: TCS 10.")
        ((verb, body),) = chat.operator.done
        assert (verb, body["id"]) == ("flatten", "chat-100")
        assert await chat.ask("/yes 1234") == "Nothing waits for a code."

        await chat.ask("/resume all is well")
        assert "not the code of /resume" in await chat.ask("/yes 9999")
        assert await chat.ask("/yes 1234") == "Nothing waits for a code."  # one wrong code ends it
        await chat.ask("/resume")
        chat.clock.now_ns += 61 * SECOND
        assert (await chat.ask("/yes 1234")).startswith("Too late")
        assert len(chat.operator.done) == 1
        await chat.ask("/resume all is well")
        assert await chat.ask("/yes 1234") == "Resumed: all."
        assert chat.operator.done[1] == ("resume", {"reason": "all is well"})


async def test_a_halt_ends_a_resume_that_waits_for_its_code(tmp_path: Path) -> None:
    async with chat_rig(tmp_path) as chat:
        await chat.ask("/resume")
        await chat.ask("/halt")
        assert await chat.ask("/yes 1234") == "Nothing waits for a code."
        assert [verb for verb, _ in chat.operator.done] == ["halt"]


async def test_a_login_gives_the_link_and_takes_what_came_back_without_repeating_it(tmp_path: Path) -> None:
    async with chat_rig(tmp_path) as chat:
        assert "open https://broker.test/login?api_key=x" in await chat.ask("/login")
        assert await chat.ask("/login http://127.0.0.1/?request_token=canary-77") == "Login: LOGGED_IN."
        assert chat.operator.done[0][1]["text"].endswith("canary-77")
        assert "canary" not in str(chat.told)


async def test_a_refusal_and_a_bug_are_answered_and_the_next_command_is_heard(tmp_path: Path) -> None:
    async with chat_rig(tmp_path) as chat:
        chat.operator.refuses = "the daemon is not trading yet, hidden"
        assert await chat.ask("/halt") == "Refused: the daemon is not trading yet, ****"
        chat.operator.status = {"mode": "live"}
        assert (await chat.ask("/status")).startswith("Failed (KeyError")
        chat.operator.refuses = ""
        assert (await chat.ask("/halt")).startswith("Halted")


async def test_a_start_that_waits_for_a_login_has_a_status_too(tmp_path: Path) -> None:
    async with chat_rig(tmp_path) as chat:
        login = {"state": "NEED_LOGIN", "reason": "its end"}
        chat.operator.status = {
            "mode": "live", "state": "needs login", "venue": "kite", "run_id": "T1", "halts": [], "login": login
        }  # fmt: skip
        assert "login NEED_LOGIN: its end" in await chat.ask("/status")
        assert "no figures yet" in await chat.ask("/pnl")
        assert "no open positions" in await chat.ask("/positions")


async def test_messages_of_others_are_counted_told_once_and_never_carried_out(tmp_path: Path) -> None:
    async with chat_rig(tmp_path) as chat:
        assert "Another chat writes" in await chat.ask("/halt", chat=666)
        for number in range(30):
            chat.server.write("/halt", date=chat.clock.now_ns // SECOND, chat=600 + number)
        chat.server.put_update({"update_id": 131})
        assert (await chat.ask("/help")).startswith("/status")
        assert not chat.operator.done
        assert {to for to, _ in chat.server.sent} == {CHAT}
        assert len(chat.server.sent) == 2
        assert len(chat.told.of("chat_messages_ignored")) == 1


async def test_what_is_older_than_two_minutes_is_not_done_and_that_is_said(tmp_path: Path) -> None:
    async with chat_rig(tmp_path) as chat:
        assert await chat.ask("/halt", age_s=121) == "Not done, because it was sent more than 120 s ago: /halt"
        assert not chat.operator.done
        assert (await chat.ask("/halt", age_s=119)).startswith("Halted")


async def test_a_restart_does_not_act_on_a_message_again(tmp_path: Path) -> None:
    async with bot_server() as server:
        async with chat_rig(tmp_path, server=server) as chat:
            await chat.ask("/halt once")
        again = KeptOperator()
        async with chat_rig(tmp_path, server=server, operator=again) as chat:
            await chat.ask("/help")
        assert not again.done
        assert server.offsets[-1] in (101, 102)


async def test_a_halt_acts_where_the_offset_cannot_be_kept_and_that_is_told(tmp_path: Path) -> None:
    missing = tmp_path / "gone"
    async with chat_rig(missing) as chat:
        assert (await chat.ask("/halt")).startswith("Halted")
        assert chat.told.names.count("chat_offset_not_kept") == 1
        assert chat_offset.FILE_NAME in chat.told.of("chat_offset_not_kept")[0]["reason"]


async def test_after_days_without_a_message_the_server_chooses_where_to_go_on(tmp_path: Path) -> None:
    # Then it may number updates again from anywhere, also below what was read last.
    (tmp_path / chat_offset.FILE_NAME).write_text(f'{{"bot": "424242", "offset": 5000, "at": {(NOW_S - 7 * 86400)}}}')
    async with chat_rig(tmp_path) as chat:
        assert (await chat.ask("/halt")).startswith("Halted")
        assert chat.server.offsets[0] == 0
    (tmp_path / chat_offset.FILE_NAME).write_text(f'{{"bot": "424242", "offset": 5000, "at": {NOW_S - 3600}}}')
    async with chat_rig(tmp_path) as chat:
        await asyncio.sleep(0.05)
        assert chat.server.offsets == [5000]


async def test_another_bot_begins_with_its_own_offset(tmp_path: Path) -> None:
    (tmp_path / chat_offset.FILE_NAME).write_text(f'{{"bot": "1", "offset": 5000, "at": {NOW_S}}}')
    async with chat_rig(tmp_path) as chat:
        assert (await chat.ask("/halt")).startswith("Halted")


async def test_commands_are_limited_in_number_and_a_halt_is_not(tmp_path: Path) -> None:
    async with chat_rig(tmp_path) as chat:
        for _ in range(COMMANDS_PER_MINUTE):
            await chat.ask("/help")
        assert "the rest is not done" in await chat.ask("/status")
        chat.server.write("/status", date=chat.clock.now_ns // SECOND)
        assert (await chat.ask("/halt")).startswith("Halted")  # the status between them was not answered
        chat.clock.now_ns += 61 * SECOND
        assert (await chat.ask("/status")).startswith("LIVE")


async def test_a_server_that_errs_is_asked_again_with_pauses_and_told_once_each_way(tmp_path: Path) -> None:
    async with bot_server() as server:
        server.errors.extend([("getUpdates", 0, {})] * 4)
        server.errors.extend([("getUpdates", 429, {"parameters": {"retry_after": 40}}), ("getUpdates", 401, {}),
                              ("getUpdates", 409, {}), ("getUpdates", 502, {})])  # fmt: skip
        async with chat_rig(tmp_path, server=server) as chat:
            assert (await chat.ask("/halt", age_s=-600)).startswith("Halted")  # the pauses move this rig's clock
            pauses = chat.clock.slept
            assert 40 in pauses
            assert pauses.count(60.0) >= 2
            assert max(pauses) <= 60
            assert chat.told.names.count("chat_lost") == 1
            assert chat.told.names.count("chat_refused") == 1
            assert chat.told.names.count("chat_restored") == 1


async def test_a_lost_answer_is_sent_again_a_few_times_and_the_command_acts_once(tmp_path: Path) -> None:
    async with chat_rig(tmp_path) as chat:
        chat.server.errors.extend([("sendMessage", 429, {"parameters": {"retry_after": 3}})] * 2)
        assert (await chat.ask("/halt")).startswith("Halted")
        chat.server.errors.extend([("sendMessage", 500, {})] * 3)
        chat.server.write("/halt again", date=chat.clock.now_ns // SECOND)
        assert (await chat.ask("/help")).startswith("/status")
        assert [body["reason"] for _, body in chat.operator.done] == ["halted by chat", "again"]
        await asyncio.sleep(0)
