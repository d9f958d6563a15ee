"""The grammar of `--faults`: parses and prints rules, and draws those of a swarm or a bad day from a seed.

Example: swarm, accept-then-reset:orders.create@3, 429:books~0.1, empty-orders@t+60s-90s
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tradebot.clock import SECOND
from tradebot.domain.message import Message
from tradebot.errors import ConfigError
from tradebot.exchange.faults.catalogue import FAULT_KINDS, KINDS_BY_NAME, FaultKind
from tradebot.exchange.faults.points import ALL_POINTS, POINT_GROUPS

SWARM = "swarm"
BAD_DAY = "bad-day"
WORD_PATTERN = re.compile(r"(?P<name>[a-z0-9-]+)(?::(?P<where>[a-z.]+))?(?P<when>[@~].*)?")
COUNTS_PATTERN = re.compile(r"@(\d{1,9})(?:(-)(\d{1,9})?)?")
TIMES_PATTERN = re.compile(r"@t\+(\d{1,6}(?:\.\d{1,3})?)(s|m|h)(?:-(\d{1,6}(?:\.\d{1,3})?)(s|m|h))?")
RATE_PATTERN = re.compile(r"~(\d(?:\.\d{1,6})?|\.\d{1,6})")
UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600}
GRAMMAR = "NAME[:WHERE][@N | @N-M | @t+SECONDSs | ~RATE]"

# Rates of a swarm by point: lowest, highest. A stream sends sixty frames while one order is placed. People and hosts
# act once a second.
SWARM_RATES = {
    "orders.create": (0.08, 0.5),
    "orders.modify": (0.1, 0.5),
    "orders.cancel": (0.1, 0.6),
    "orders.list": (0.03, 0.3),
    "trades": (0.03, 0.3),
    "positions": (0.03, 0.3),
    "margins": (0.03, 0.3),
    "quotes": (0.05, 0.5),
    "ticker.connect": (0.1, 0.6),
    "ticker.frame": (0.0005, 0.01),
    "ticker.order": (0.05, 0.4),
    "exchange.enter": (0.05, 0.3),
    "exchange.cancel": (0.1, 0.6),
    "exchange.minute": (0.02, 0.15),
    "history": (0.05, 0.4),
    "owner": (0.03, 0.25),
    "broker": (0.02, 0.1),
    "operator": (0.02, 0.1),
    "host": (0.02, 0.1),
}
WARMUP_POINT = "history"  # requested before market time moves; a run can do without it
CALM_SHARE, ALL_KINDS_SHARE = 0.1, 0.1  # shares of the seeds without any fault, and with every kind at once
FEWEST_KINDS, MOST_KINDS = 3, 8
MOST_POINTS = 3  # per kind, where a run has several kinds
ALL_KINDS_RATE_FACTOR = 0.15  # rates are multiplied by this where every kind strikes

# Part of every bad day: one of these kinds strikes once at this point, at an occasion between these two.
BAD_DAY_FAULTS: tuple[tuple[tuple[str, ...], str, int, int], ...] = (
    (("accept-then-reset", "accept-then-hang", "accept-then-5xx", "half-json"), "orders.create", 1, 3),
    (("definite-reject", "lost-before", "unknown-refusal-text", "unavailable"), "orders.create", 4, 6),
    (("accept-then-close", "cancel-unknown", "accept-then-hang"), "orders.cancel", 1, 2),
    (("empty-orders", "truncated-list", "wrong-type"), "orders.list", 3, 12),
    (("empty-trades", "lagging-trades", "duplicate-trades"), "trades", 2, 6),
    (("empty-positions", "stale-positions", "html"), "positions", 3, 12),
    (("half-open", "cut-frame", "garbage-lengths"), "ticker.frame", 40, 200),
    (("connect-503", "accept-then-drop"), "ticker.connect", 2, 2),
)


class FaultRule(Message, frozen=True):
    """When one kind strikes at one point: at occasions `first` to `last`, at a `rate`, or within a time.

    `begins` and `ends` are market ns since the plan began. A rule with `begins` alone strikes once, at the first
    occasion. With `waits_for_market` a rule strikes only after market time began to move. The rules of a swarm do so,
    so that a run gets to trade.
    """

    kind: FaultKind
    point: str
    first: int = 0
    last: int = 0
    rate: float = 0.0
    begins: int = -1
    ends: int = -1
    waits_for_market: bool = False

    def to_text(self) -> str:
        """Return the text that parses to this rule."""
        text = f"{self.kind.name}:{self.point}"
        if self.rate:
            return f"{text}~{self.rate:g}"
        if self.begins >= 0:
            return f"{text}@t+{self.begins / SECOND:g}s" + (f"-{self.ends / SECOND:g}s" if self.ends >= 0 else "")
        return text if (self.first, self.last) == (1, 0) else f"{text}@{self.first}-{self.last or ''}"


def parse_rules(text: str, *, seed: int) -> list[FaultRule]:
    """Return the rules of a comma-separated list. Raises ConfigError with a suggestion."""
    rules: list[FaultRule] = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        if word in DRAWN_RULES:
            rules.extend(DRAWN_RULES[word](seed))
        else:
            rules.extend(_parse_word(word))
    if not rules and not text.strip(" ,"):
        raise ConfigError(f"--faults is empty; write {SWARM} or {GRAMMAR}, or list the catalogue with --faults list")
    return rules


def draw_swarm(seed: int) -> Iterator[FaultRule]:
    """Yield the rules that `seed` draws: usually three to eight kinds, sometimes none, sometimes all."""
    rng = np.random.default_rng([seed, 0x5A])
    kinds = [kind for kind in FAULT_KINDS if kind.in_swarm and any(p in SWARM_RATES for p in kind.points)]
    share = float(rng.random())
    if share < CALM_SHARE:
        return
    is_crowd = share > 1 - ALL_KINDS_SHARE
    if not is_crowd:
        count = int(rng.integers(FEWEST_KINDS, MOST_KINDS + 1))
        kinds = [kinds[i] for i in sorted(rng.choice(len(kinds), size=count, replace=False))]
    for kind in kinds:
        points = [point for point in kind.points if point in SWARM_RATES]
        size = min(len(points), MOST_POINTS)
        for i in sorted(rng.choice(len(points), size=size, replace=False)):
            low, high = SWARM_RATES[points[i]]
            rate = float(np.exp(rng.uniform(np.log(low), np.log(high)))) * (ALL_KINDS_RATE_FACTOR if is_crowd else 1)
            yield FaultRule(kind=kind, point=points[i], rate=round(rate, 6), waits_for_market=points[i] != WARMUP_POINT)


def draw_bad_day(seed: int) -> Iterator[FaultRule]:
    """Yield the rules of a rehearsed bad day: the faults that every such day has, and the swarm of the seed."""
    rng = np.random.default_rng([seed, 0xBAD])
    for names, point, first, last in BAD_DAY_FAULTS:
        name, n = names[int(rng.integers(len(names)))], int(rng.integers(first, last + 1))
        yield FaultRule(kind=KINDS_BY_NAME[name], point=point, first=n, last=n)
    yield from draw_swarm(seed)


DRAWN_RULES: dict[str, Callable[[int], Iterator[FaultRule]]] = {SWARM: draw_swarm, BAD_DAY: draw_bad_day}


def _parse_word(word: str) -> Iterator[FaultRule]:
    found = WORD_PATTERN.fullmatch(word)
    if found is None:
        raise ConfigError(f"--faults: {word!r} should read {GRAMMAR}, such as accept-then-reset:orders.create@3")
    name, where, when = found["name"], found["where"], found["when"] or ""
    kind = KINDS_BY_NAME.get(name)
    if kind is None:
        raise ConfigError(
            f"--faults: there is no fault {name!r}{_near(name, [*KINDS_BY_NAME, *DRAWN_RULES])}; see --faults list"
        )
    # Parsed first, so that a mistake is reported even where no point follows.
    times = _when(word, when)
    for point in _points(kind, where):
        yield FaultRule(kind=kind, point=point, **times)


def _points(kind: FaultKind, where: str | None) -> Iterable[str]:
    if where is None:
        return kind.points
    if where not in POINT_GROUPS and where not in ALL_POINTS:
        raise ConfigError(f"--faults: {kind.name}: there is no {where!r}{_near(where, [*ALL_POINTS, *POINT_GROUPS])}")
    points = [point for point in POINT_GROUPS.get(where, (where,)) if point in kind.points]
    if not points:
        raise ConfigError(f"--faults: {kind.name} does not strike at {where}; it strikes at {', '.join(kind.points)}")
    return points


def _when(word: str, text: str) -> dict[str, Any]:
    if not text:
        return {"first": 1}
    if found := COUNTS_PATTERN.fullmatch(text):
        first = int(found[1])
        last = int(found[3] or 0) if found[2] else first
        if first < 1 or (found[3] and last < first):
            raise ConfigError(f"--faults: {word!r}: occasions count from 1 and go up, such as @3 or @3-5")
        return {"first": first, "last": last}
    if found := TIMES_PATTERN.fullmatch(text):
        begins = int(float(found[1]) * UNIT_SECONDS[found[2]] * SECOND)
        ends = int(float(found[3]) * UNIT_SECONDS[found[4]] * SECOND) if found[3] else -1
        if found[3] and ends <= begins:
            raise ConfigError(f"--faults: {word!r}: the end of the time must come after its begin, such as @t+60s-90s")
        return {"begins": begins, "ends": ends}
    if found := RATE_PATTERN.fullmatch(text):
        rate = float(found[1])
        if not 0 < rate <= 1:
            raise ConfigError(f"--faults: {word!r}: a rate is above 0 and at most 1, such as ~0.1")
        return {"rate": rate}
    raise ConfigError(f"--faults: {word!r}: {text!r} should be @3, @3-5, @t+90s, @t+60s-90s or ~0.1")


def _near(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=3, cutoff=0.5)
    return f", did you mean {' or '.join(near)}?" if near else ""
