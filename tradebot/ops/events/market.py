"""Events of the market's data: the stream, single symbols in doubt, bars, and the clocks that both are stamped by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from tradebot.ops.events.event import (
    DEBUG,
    ERROR,
    INFO,
    WARNING,
    Action,
    Count,
    Event,
    Price,
    Reason,
    Seconds,
    Symbol,
    Symbols,
    Times,
)

Source = Annotated[str, "the venue's stream"]


class FeedConnected(Event, frozen=True):
    """The stream of quotes is up; the venue's books are read once more."""

    level = INFO
    do = "Nothing."
    source: Source


class FeedLost(Event, frozen=True):
    """The stream of quotes broke: it is tried again, quotes come over REST, and nothing is opened until it is back."""

    level = WARNING
    do = "Nothing at first. If it lasts a minute, look at this machine's network and the venue's status page."
    source: Source
    reason: Reason


class FeedStalled(Event, frozen=True):
    """The stream is connected and no quote has come for feed.stale_after_s during market hours."""

    level, was = WARNING, "feed_stale"
    do = "Nothing at first. If it lasts, look at the venue's status page: positions are valued by old prices."
    reason: Reason
    action: Action = "no entries until quotes come"


class FeedResumed(Event, frozen=True):
    """Quotes come again."""

    level, was = INFO, "feed_fresh"
    do = "Nothing."


class FramesDropped(Event, frozen=True):
    """Frames of the stream could not be used; a sound stream has none of these."""

    level = WARNING
    do = "If they go on, report it with `fault`: the venue may have changed its protocol."
    unknown_tokens: Annotated[int, "packets of instruments that were not asked for"] | None = None
    odd_lengths: Annotated[int, "packets of a length that no kind has"] | None = None
    malformed: Annotated[int, "binary frames that end too early"] | None = None
    malformed_texts: Annotated[int, "texts that could not be read"] | None = None
    fault: Annotated[str, "what is wrong with the last of these texts"] | None = None


class QuotesNotFetched(Event, frozen=True):
    """While the stream is down quotes could not be fetched over REST either."""

    level = DEBUG
    do = "Nothing; feed_lost tells of the cause."
    reason: Reason


class QuotesNotAnswered(Event, frozen=True):
    """The venue gave no quotes of symbols whose stream is in doubt."""

    level = WARNING
    do = "Nothing at first; quotes_lost and stop_blinded tell what it means for a symbol."
    symbols: Count
    reason: Reason


class QuoteDoubted(Event, frozen=True):
    """A price is far from its last minute's median: it opens, stops and marks nothing until another one agrees."""

    level = WARNING
    do = "Look at the symbol; three within a minute halt it."
    symbol: Symbol
    price: Price
    median: Price
    action: Action = "it counts when another quote or the venue's answer agrees"


class QuotesStalled(Event, frozen=True):
    """A symbol trades at the venue and its stream is silent: it is asked for over REST."""

    level, was = WARNING, "quotes_stale"
    do = "Nothing at first. If many symbols stall, restart: the venue may have lost the subscription."
    symbol: Symbol
    reason: Reason = "it trades at the venue and its stream is silent"
    action: Action = "asked for over REST"


class QuotesLost(Event, frozen=True):
    """A symbol's stream is silent and the venue does not answer for it; no position of ours is guarded there."""

    level, was = WARNING, "quotes_unknown"
    do = "Look whether the symbol is suspended or in an auction."
    symbol: Symbol
    reason: Reason = "its stream is silent and the venue does not answer"


class StopBlinded(Event, frozen=True):
    """Of a symbol with a guarded position neither stream nor venue say anything: its stop cannot fire."""

    level, was = ERROR, "quotes_unknown"
    do = "Look at the symbol at the broker now; close the position by hand if you cannot wait."
    symbol: Symbol
    reason: Reason = "its stream is silent and the venue does not answer"
    action: Action = "its stop cannot fire until quotes come"


class QuotesResumed(Event, frozen=True):
    """Quotes of a symbol come again."""

    level, was = INFO, "quotes_fresh"
    do = "Nothing."
    symbol: Symbol


class QuotesFrozen(Event, frozen=True):
    """Symbols whose stream only repeats itself; an empty list says that there are none any more."""

    level = WARNING
    do = "Nothing for thin symbols; for a liquid one look at the venue."
    symbols: Symbols
    action: Action = "nothing is opened in them"


class QuotesDelayed(Event, frozen=True):
    """Quotes came after their bar had closed, and the bars stay as they closed."""

    level, was = WARNING, "quotes_late"
    do = "Raise bars.grace_s, or lower the speed of a recorded day."
    quotes: Count
    symbols: Annotated[int, "how many have late quotes"]
    worst: Annotated[Mapping[str, int], "symbol -> late quotes, the five with most"]
    in_all: Annotated[int, "late quotes of the run"]
    action: Action = "their bars stay as they closed; a longer bars.grace_s waits for them"


class BarClosed(Event, frozen=True):
    """A bar closed in some symbols at once."""

    level = DEBUG
    do = "Nothing."
    at: Annotated[int, "its end, nanoseconds UTC"]
    bars: Annotated[int, "how many symbols had one"]


class ClockStepped(Event, frozen=True):
    """This machine's clock and the venue's stamps are apart: bars go by the venue's, and nothing is opened."""

    level = ERROR
    do = "Mend the clock (`timedatectl`, chrony); it ends by itself once they agree."
    offset_s: Annotated[float, "seconds by which this machine is ahead"]


class ClockAgreed(Event, frozen=True):
    """This machine's clock and the venue's stamps agree again."""

    level, was = INFO, "clock_agrees"
    do = "Nothing."


class MarketTimeSet(Event, frozen=True):
    """Market time was set back or on to the venue's stamps, since this machine's clock was wrong at the start."""

    level = WARNING
    do = "Mend the clock (`timedatectl`, chrony)."
    by_s: Seconds


class NoticeReceived(Event, frozen=True):
    """The broker says something over its stream that is no warning."""

    level, was = INFO, "venue_notice"
    do = "Nothing."
    kind: Annotated[str, "the broker's own word for it"]
    text: Annotated[str, "what it says"]
    times: Times
    unsaid: Annotated[int, "notices that were too many for the log since"] | None = None


class WarningReceived(Event, frozen=True):
    """The broker says something over its stream that a person has to read."""

    level, was = WARNING, "venue_notice"
    do = "Read it and do what the broker asks for."
    kind: Annotated[str, "the broker's own word for it"]
    text: Annotated[str, "what it says"]
    times: Times
    unsaid: Annotated[int, "notices that were too many for the log since"] | None = None
