"""Events of alerts, heartbeat and chat: what did not reach a person. None of them is an alert itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from tradebot.ops.events.event import ERROR, INFO, WARNING, Event, Reason, Times

ReceiverName = Annotated[str, "the kind of address and its place in notify.urls, or telegram; never the address"]
Waiting = Annotated[int, "events that wait for it, merged into one message"]


class AlertsDelayed(Event, frozen=True):
    """A receiver of alerts does not take a message: it is tried again, and events are merged until it does."""

    level = WARNING
    do = "Try `tradebot notify test`; look at the receiver and at notify.urls."
    receiver: ReceiverName
    reason: Reason
    waiting: Waiting
    times: Times


class AlertsDelivered(Event, frozen=True):
    """A receiver of alerts takes messages again, and has what waited for it."""

    level = INFO
    do = "Nothing."
    receiver: ReceiverName
    events: Annotated[int, "that waited for it"]


class AlertsNotDelivered(Event, frozen=True):
    """The daemon ended before a receiver took what waited for it: the log has these events."""

    level = WARNING
    do = "Read the events in the log."
    receiver: ReceiverName
    events: Annotated[Mapping[str, int], "event -> how many"]


class AlertsStopped(Event, frozen=True):
    """A part of alerts or chat failed and is off until the next start; trading goes on."""

    level = ERROR
    do = "Report it with the line; restart the daemon to have it back."
    part: Annotated[str, "which one"]
    reason: Reason


class HeartbeatMissed(Event, frozen=True):
    """The address of notify.heartbeat_url did not answer, or not with success."""

    level = WARNING
    do = "Nothing for once; if it lasts, the watcher there will raise its alarm though the daemon lives."
    reason: Reason
    times: Times


class HeartbeatWithheld(Event, frozen=True):
    """No heartbeat is sent, because a part of the daemon makes no progress: the watcher there raises its alarm."""

    level = WARNING
    do = "Look at `stuck` and at the lines before."
    stuck: Annotated[str, "what makes no progress"]
    times: Times


class HeartbeatRestored(Event, frozen=True):
    """Heartbeats are sent and answered again."""

    level = INFO
    do = "Nothing."
    missed: Annotated[int, "heartbeats that were not sent or not answered"]


class ChatCommandAnswered(Event, frozen=True):
    """A command came by chat, and was answered."""

    level = INFO
    do = "Nothing, if it was you; else remove the bot from the chat, and its token from the settings."
    command: Annotated[str, "the command alone"]
    answer: Annotated[str, "the first line of the answer"]


class ChatMessagesIgnored(Event, frozen=True):
    """Messages came from chats other than telegram.chat_id: they are not read."""

    level = WARNING
    do = "Nothing; if you expected an answer, telegram.chat_id is another chat's."
    chats: Annotated[int, "from so many chats, as far as they are counted"]
    times: Times


class ChatLost(Event, frozen=True):
    """The chat's server does not answer; it is asked again after growing pauses."""

    level = WARNING
    do = "Nothing for once; if it lasts, use the command line."
    reason: Reason
    times: Times


class ChatRestored(Event, frozen=True):
    """The chat's server answers again."""

    level = INFO
    do = "Nothing."
    times: Annotated[int, "requests that failed before"]


class ChatRefused(Event, frozen=True):
    """The chat's server refuses the bot: its token is wrong, or another program reads its messages."""

    level = ERROR
    do = "Correct telegram.token, or end the other program that polls with it; it is tried again meanwhile."
    reason: Reason
    times: Times


class ChatOffsetNotKept(Event, frozen=True):
    """Which messages of the chat were read could not be kept: after a restart the newest may act a second time."""

    level = WARNING
    do = "Look at the disk of the state directory."
    reason: Reason
    times: Times
