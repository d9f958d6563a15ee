"""The chat: reads the bot's messages, lets the one pinned chat command the daemon, and answers each command."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from tradebot.clock import MINUTE, SECOND, Clock
from tradebot.notify.bot_api import BotApi, BotRefused, ChatMessage, ChatUnreachable
from tradebot.notify.chat_commands import ChatCommands, command_of
from tradebot.notify.chat_offset import VALID_FOR_S
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.notify import ChatCommandAnswered, ChatLost, ChatMessagesIgnored, ChatRefused, ChatRestored
from tradebot.ops.reminder import Reminder

MAX_AGE_S = 120.0  # an older message was written for another moment
PAUSE_S = (1.0, 60.0)  # after a failed poll: the first, and the longest
REFUSED_PAUSE_S = 60.0  # while the server refuses the bot
LONGEST_WISH_S = 300.0  # the longest pause that the server may ask for
COMMANDS_PER_MINUTE = 20  # answered commands; a halt counts and is never refused
MAX_STRANGERS = 1_000  # chats that are told apart
ANSWER_TRIES = 3


class ChatTerms(NamedTuple):
    """The pinned chat, and where the newest update is kept: `read_offset` at the start, `keep_offset` after each.

    `clean` masks secrets in a text.
    """

    chat_id: int
    read_offset: Callable[[], Awaitable[int]]
    keep_offset: Callable[[int], Awaitable[None]]
    clean: Callable[[str], str]


class Chat:
    """One bot with one chat. An update is kept as read before it acts, so it acts once, whatever happens then."""

    def __init__(
        self, bot: BotApi, commands: ChatCommands, terms: ChatTerms, *, clock: Clock, tell: EventListener
    ) -> None:
        self._bot, self._commands, self._terms = bot, commands, terms
        self._clock, self._tell = clock, tell
        self._strangers: set[int] = set()
        self._failures, self._pause_s = 0, 0.0
        self._reminder = Reminder(first_s=300.0, longest_s=3600.0)
        self._recent: deque[int] = deque(maxlen=COMMANDS_PER_MINUTE)  # mono of the newest commands
        self._is_limit_told = False

    async def answer_chat(self) -> None:
        """Read and answer until cancelled."""
        offset, heard_mono = await self._terms.read_offset(), self._clock.monotonic_ns()
        while True:
            if self._clock.monotonic_ns() - heard_mono > VALID_FOR_S * SECOND:
                offset = 0
            try:
                messages = await self._bot.fetch_messages(offset)
            except BotRefused as error:
                await self._rest(ChatRefused, error, REFUSED_PAUSE_S)
                continue
            except ChatUnreachable as error:
                first, longest = PAUSE_S
                self._pause_s = min(max(2 * self._pause_s, first), longest)
                pause_s = max(self._pause_s, min(error.retry_after_s, LONGEST_WISH_S))
                await self._rest(ChatLost, error, pause_s)
                continue
            self._note_answered()
            stale: list[str] = []
            for message in messages:
                if message.update_id < offset:
                    continue
                offset, heard_mono = message.update_id + 1, self._clock.monotonic_ns()
                await self._terms.keep_offset(offset)
                await self._take(message, stale)
            if stale:
                told = f"Not done, because it was sent more than {MAX_AGE_S:g} s ago: {', '.join(stale[:10])}"
                await self._answer(told)

    async def _take(self, message: ChatMessage, stale: list[str]) -> None:
        if message.chat_id != self._terms.chat_id:
            await self._ignore(message)
            return
        name, _ = command_of(message.text)
        if self._clock.wall_ns() - message.sent_at > MAX_AGE_S * SECOND:
            stale.append(f"/{name}" if name else "a message")
            return
        if not self._is_within_rate() and name != "halt":
            if not self._is_limit_told:
                self._is_limit_told = True
                await self._answer(
                    f"More than {COMMANDS_PER_MINUTE} commands a minute: the rest is not done. /halt is."
                )
            return
        answer = self._terms.clean(await self._commands.answer_command(message.text, id_=f"chat-{message.update_id}"))
        self._tell(ChatCommandAnswered(command=f"/{name or 'help'}", answer=answer.partition("\n")[0]))
        await self._answer(answer)

    async def _ignore(self, message: ChatMessage) -> None:
        is_first = not self._strangers
        if len(self._strangers) < MAX_STRANGERS:
            self._strangers.add(message.chat_id)
        if times := self._reminder.due_count("strangers", self._clock.monotonic_ns()):
            self._tell(ChatMessagesIgnored(chats=len(self._strangers), times=times))
        if is_first:
            await self._answer("Another chat writes to this bot. Messages of other chats are counted and not read.")

    def _is_within_rate(self) -> bool:
        now = self._clock.monotonic_ns()
        if len(self._recent) == self._recent.maxlen and now - self._recent[0] < MINUTE:
            return False
        self._recent.append(now)
        self._is_limit_told = False
        return True

    async def _answer(self, text: str) -> None:
        # A lost answer is not sent for ever: the person asks again.
        for _ in range(ANSWER_TRIES):
            try:
                await self._bot.send_text(self._terms.chat_id, text)
            except BotRefused as error:
                self._note(ChatRefused, error)
                return
            except ChatUnreachable as error:
                self._note(ChatLost, error)
                await self._clock.sleep(max(PAUSE_S[0], min(error.retry_after_s, PAUSE_S[1])))
            else:
                return

    async def _rest(self, kind: type[ChatLost] | type[ChatRefused], error: Exception, pause_s: float) -> None:
        self._note(kind, error)
        await self._clock.sleep(pause_s)

    def _note(self, kind: type[ChatLost] | type[ChatRefused], error: Exception) -> None:
        self._failures += 1
        if times := self._reminder.due_count(kind.name, self._clock.monotonic_ns()):
            self._tell(kind(reason=self._terms.clean(str(error)), times=times))

    def _note_answered(self) -> None:
        if self._failures:
            self._tell(ChatRestored(times=self._failures))
            self._reminder.forget_topic(ChatRefused.name)
            self._reminder.forget_topic(ChatLost.name)
        self._failures, self._pause_s = 0, 0.0
