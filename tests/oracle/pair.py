"""Two desks that are given the same: the present one and the frozen one. What they say is compared, message by message.

The present one goes first and decides what happens; the frozen one is asked what it would have said.
"""

from __future__ import annotations

import difflib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from tests.oracle import seam
from tests.oracle.vendor import seam as frozen_seam
from tradebot.domain.market import BarBatch, Quotes
from tradebot.domain.messages import AccountSnapshot, ClockTick, DeskMessage
from tradebot.journal.rows import encode_body

BEFORE = 3  # messages shown before the one at which the desks differ
Said = Callable[[Any, Any], Any]  # a seam and its desk -> what the desk says


class Recover(NamedTuple):
    """What a desk is rebuilt from."""

    facts: tuple[Any, ...]
    rest: dict[str, Any]


class Flush(NamedTuple):
    """The end of a run."""


class Differ(AssertionError):
    """The two desks said different things."""


class Look:
    """One look-up of the HALT file for both desks: what the first is told in a message the second is told too."""

    def __init__(self, ask: Callable[[], str]) -> None:
        self._ask = ask
        self._answer: str | None = None

    def __call__(self) -> str:
        if self._answer is None:
            self._answer = self._ask()
        return self._answer

    def renew(self) -> None:
        """Let the next question be asked of the file."""
        self._answer = None


class Heard:
    """What went through pairs, for what is not exercised is not shown; `difference` is the first one."""

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()
        self.outputs: Counter[str] = Counter()
        self.pairs = 0
        self.difference = ""

    @contextmanager
    def sought(self) -> Iterator[None]:
        """Let whatever a difference led to end here: it is kept."""
        try:
            yield
        except Exception:
            if not self.difference:
                raise


class Pair:
    """A present desk and a frozen one. `tapes` are the lists to which each desk appends the rows of its tape.

    The first difference is raised and kept in `heard`; from then on only the present desk is asked.
    """

    def __init__(
        self, present: Any, frozen: Any, *, look: Look, heard: Heard, tapes: tuple[list[Any], list[Any]] = ([], []),
        handle: Callable[..., Any] = lambda own, desk, message: own.handle(desk, message),
        handle_frozen: Callable[..., Any] = lambda own, desk, message: own.handle(desk, message),
    ) -> None:  # fmt: skip
        self.present, self.frozen = present, frozen
        self._look, self._heard, self._tapes = look, heard, tapes
        self._handle, self._handle_frozen = handle, handle_frozen
        self._last: deque[Any] = deque(maxlen=BEFORE)
        heard.pairs += 1

    def handle(self, message: DeskMessage) -> Sequence[Any]:
        """Give both a message; returns what the present one says."""
        said: Sequence[Any] = self._both(
            message, lambda own, desk: self._handle(own, desk, message),
            lambda own, desk: self._handle_frozen(own, desk, message),
        )  # fmt: skip
        return said

    def adopt(self, snapshot: AccountSnapshot) -> Sequence[Any]:
        """Compare both with the venue's books at the start."""
        said: Sequence[Any] = self._both(snapshot, lambda own, desk: own.adopt(desk, snapshot))
        return said

    def recover(self, facts: Sequence[Any], **rest: Any) -> None:
        """Rebuild both from the journal's facts."""
        facts = tuple(facts)
        self._both(Recover(facts, rest), lambda own, desk: own.recover(desk, facts, **rest))

    def told(self, batch: BarBatch) -> Any:
        """Return the holdings that strategies are told with a close."""
        return self._both(batch, lambda own, desk: own.told(desk, batch))

    def flush(self) -> None:
        """Hand on the rest of both tapes."""
        self._both(Flush(), lambda own, desk: own.flush(desk))

    def _both(self, given: Any, ask: Said, ask_frozen: Said | None = None) -> Any:
        self._look.renew()
        if self._heard.difference:
            return ask(seam, self.present)
        said, error = _attempt(partial(ask, seam, self.present))
        frozen_said, frozen_error = _attempt(partial(ask_frozen or ask, frozen_seam, self.frozen))
        name = type(given).__name__
        self._heard.messages[name] += 1
        lines, frozen_lines = self._lines(said, error, 0), self._lines(frozen_said, frozen_error, 1)
        self._heard.outputs.update(map(_kind, said if isinstance(said, list | tuple) else ()))
        if lines != frozen_lines:
            self._differ(given, list(difflib.unified_diff(frozen_lines, lines, "before", "now", lineterm="", n=99)))
        if error is None and (lines or name != Quotes.__name__):
            is_tick = isinstance(given, ClockTick)
            views = (
                own.view(desk, is_tick=is_tick) for own, desk in ((seam, self.present), (frozen_seam, self.frozen))
            )
            self._compare(given, *views)
        self._last.append(given)
        if error is not None:
            raise error
        return said

    def _lines(self, said: Any, error: Exception | None, side: int) -> list[str]:
        # repr tells 1.0 from 1.00 and finds a NaN equal to itself.
        tapes = self._tapes[side]
        if not said and error is None and not tapes:
            return []
        lines = list(map(repr, said)) if isinstance(said, list | tuple) else [] if said is None else [repr(said)]
        lines += [encode_body("tape", tape).decode() for tape in tapes]
        tapes.clear()
        return [*lines, f"raised {error!r}"] if error is not None else lines

    def _compare(self, given: Any, view: Mapping[str, Any], frozen_view: Mapping[str, Any]) -> None:
        if view == frozen_view:
            return
        names = [name for name in {**view, **frozen_view} if view.get(name) != frozen_view.get(name)]
        self._differ(given, [line for name in names for line in _sides(name, view.get(name), frozen_view.get(name))])

    def _differ(self, given: Any, lines: Sequence[str]) -> None:
        number = self._heard.messages.total()
        before = [f"before it: {_short(message)}" for message in self._last]
        text = "\n".join([*before, f"message {number}: {given!r}", *lines])
        self._heard.difference = text
        raise Differ(text)


def _attempt(call: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return call(), None
    except Exception as error:
        return None, error


def _kind(output: Any) -> str:
    name = type(output).__name__
    return f"{name} {output.type.value}" if name == "OrderEvent" else name


def _sides(name: str, now: Any, before: Any) -> list[str]:
    if isinstance(now, dict) and isinstance(before, dict):
        keys = [key for key in {**before, **now} if now.get(key) != before.get(key)]
        return [line for key in keys for line in _sides(f"{name}[{key}]", now.get(key), before.get(key))]
    return [f"-{name}: {before!r}", f"+{name}: {now!r}"]


def _short(message: Any, most: int = 600) -> str:
    text = repr(message)
    return text if len(text) <= most else f"{text[:most]} …"


def pair_of(*, killed: Callable[[], str], heard: Heard | None = None, **values: Any) -> Any:
    """Return what stands where a desk is: a pair of those that the values of `seam.build` describe."""
    look = Look(killed)
    present, frozen = (own.build(**values, killed=look) for own in (seam, frozen_seam))
    return seam.Stand(Pair(present, frozen, look=look, heard=heard or Heard()))
