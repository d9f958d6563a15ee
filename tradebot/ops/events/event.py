"""What an event is: a type that declares name, level, meaning and fields, for code and for people.

tell(FeedLost(source="a", reason="1006"))   ──▶   {"event": "feed_lost", "level": "warning", "source": "a", ...}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, get_type_hints

import msgspec

LogLevel = Literal["debug", "info", "warning", "error", "critical"]
DEBUG: LogLevel = "debug"  # what happens all the time; off by default
INFO: LogLevel = "info"  # the course of a day
WARNING: LogLevel = "warning"  # something is wrong, and the daemon copes
ERROR: LogLevel = "error"  # something does not work until a person or the venue acts
CRITICAL: LogLevel = "critical"  # orders do not leave, or the daemon ends

# The types of fields. Their text is for readers of the list of events.
Reason = Annotated[str, "why, in words for people"]
Action = Annotated[str, "what the daemon does meanwhile, or a person should do, in words"]
Symbol = Annotated[str, "the symbol"]
Symbols = Annotated[Sequence[str], "the symbols"]
Count = Annotated[int, "a number"]
Times = Annotated[int, "how often it came since it was said last, this time included"]
Seconds = Annotated[float, "seconds of this machine"]
Megabytes = Annotated[int, "MB"]
Kilobytes = Annotated[int, "KB"]
Quantity = Annotated[Decimal, "shares or contracts"]
Price = Annotated[Decimal, "a price, in the currency of the symbol"]
Money = Annotated[Decimal, "money, in the currency of the account"]
Strategy = Annotated[str, "the strategy"]
Positions = Annotated[Mapping[str, Any], "symbol -> quantity, below zero where it is short"]


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One fact for the operator. A subclass with a `level` declares one event.

    Its name is the class name in snake_case: the subject, then a participle. The docstring says in a sentence what it
    means, and `do` says what to do about it. `was` is its name in the previous release, if that differs. Fields that
    are None are left out of a line. `flat` names a field whose keys are put into the line beside the other fields.
    """

    name: ClassVar[str] = ""
    level: ClassVar[LogLevel]
    do: ClassVar[str] = ""
    was: ClassVar[str] = ""
    flat: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def log_fields(self) -> dict[str, Any]:
        """Return the fields of the log line, in declaration order, without those that are None."""
        found = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        if self.flat and self.flat in found:
            found |= found.pop(self.flat)
        return found


EventListener = Callable[[Event], None]  # may be called from any thread, and returns at once


def meaning_of(event: type[Event]) -> str:
    """Return the meaning of an event, the text of its docstring."""
    return " ".join((event.__doc__ or "").split())


def field_meanings(event: type[Event]) -> dict[str, str]:
    """Return field -> what it holds, with its unit, in the order of the log line."""
    hints = get_type_hints(event, include_extras=True)
    return {name: _said(hints[name]) for name in event.__struct_fields__}


def _said(hint: Any) -> str:
    # `Annotated[int, "MB"] | None` has the text of its first part: a field that is None is left out of a line.
    for one in (hint, *getattr(hint, "__args__", ())):
        for text in getattr(one, "__metadata__", ()):
            return str(text)
    return ""


def drop_event(_: Event) -> None:
    """Drop an event; for callers without a log."""
