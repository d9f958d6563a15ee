"""The fault plan of one run: counts occasions, decides which are struck, and notifies everyone who keeps a record.

It knows no sockets. A server calls `draw_fault` at each point and does what the fault says; so may a simulation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any
from zlib import crc32

import numpy as np

from tradebot.clock import SECOND, Clock
from tradebot.domain.message import Message
from tradebot.exchange.faults.catalogue import FaultKind, FaultStage
from tradebot.exchange.faults.grammar import FaultRule, parse_rules
from tradebot.exchange.faults.points import ALL_POINTS, GTT_POINTS


class InjectedFault(Message, frozen=True):
    """One strike, at the occasion number `occasion` of `point`.

    `draw` in [0, 1) is the fault's own random number. `duration_s` is in wall seconds and ends no later than the plan.
    """

    kind: FaultKind
    point: str
    occasion: int
    draw: float
    duration_s: float

    @property
    def name(self) -> str:
        """Return the name of its kind."""
        return self.kind.name

    @property
    def prevents_request(self) -> bool:
        """Return whether the struck request is not carried out, or only later."""
        return self.kind.stage is FaultStage.BEFORE


class FaultPlan:
    """Decides for each occasion at each point. The outcome of the n-th occasion of a point is a function of the seed.

    `until_s` is when the last fault strikes, in wall seconds after market time began to move; None for no end. A plan
    that was not started has no time: rules with a time do not strike in it, and it has no end.
    """

    def __init__(self, rules: Iterable[FaultRule], *, seed: int, until_s: float | None = None) -> None:
        self.seed, self.until_s = seed, until_s
        self.is_paused = False  # while True nothing strikes
        self.rules = tuple(rules)
        self.strike_counts: Counter[str] = Counter()  # name -> times it struck
        self.strike_listeners: list[Callable[[dict[str, Any]], None]] = []
        self._at: dict[str, list[tuple[int, FaultRule, np.random.Generator]]] = {point: [] for point in ALL_POINTS}
        counts: Counter[bool] = Counter()
        for number, rule in enumerate(self.rules):
            # Each rule draws from its own generator, so that occasions of one point do not change draws at another.
            # Rules of the GTT points, which are younger, are counted apart: the draws of the others stay as they were.
            is_gtt = rule.point in GTT_POINTS
            rng = np.random.default_rng([seed, crc32(f"{rule.kind.name}:{rule.point}".encode()), counts[is_gtt]])
            counts[is_gtt] += 1
            self._at[rule.point].append((number, rule, rng))
        self._occasions: Counter[str] = Counter()  # point -> occasions so far
        self._spent: set[int] = set()  # numbers of the one-time rules that have struck
        self._clock: Clock | None = None
        self._origin = 0
        self._began_at: int | None = None  # monotonic ns at which market time began to move

    @classmethod
    def parse(cls, text: str, seed: int, *, until_s: float | None = None) -> FaultPlan:
        """Return the plan of a `--faults` text. Raises ConfigError with a suggestion."""
        return cls(parse_rules(text, seed=seed), seed=seed, until_s=until_s)

    def start_clock(self, clock: Clock) -> None:
        """Start the plan's time. Times of rules count from the market time of the first call."""
        self._origin = self._origin or clock.market_ns()
        self._clock = clock

    def exclude_kinds(self, names: Collection[str]) -> None:
        """Remove the rules of kinds that cannot be committed here. The others strike as they would have."""
        self.rules = tuple(rule for rule in self.rules if rule.kind.name not in names)
        for rules in self._at.values():
            rules[:] = [entry for entry in rules if entry[1].kind.name not in names]

    @property
    def is_over(self) -> bool:
        """Return whether `until_s` has passed and nothing strikes any more."""
        left = self._left_s()
        return left is not None and left <= 0

    def rule_texts(self) -> list[str]:
        """Return the rules as texts that parse to them."""
        return [rule.to_text() for rule in self.rules]

    def draw_fault(self, point: str, **context: Any) -> InjectedFault | None:
        """Count one occasion of `point` and return the fault that strikes it, None without one.

        `context` goes into the record of the strike: the order's tag, its symbol, the route.
        """
        self._occasions[point] += 1
        rules = self._at[point]
        if not rules:
            return None
        n, since = self._occasions[point], self._since()
        chosen = None
        for number, rule, rng in rules:
            wants = self._rule_strikes(number, rule, rng, n=n, since=since)
            if wants and chosen is None:
                chosen = number, rule, rng
        if chosen is None or self.is_paused or self.is_over:
            return None
        number, rule, rng = chosen
        if rule.begins >= 0 and rule.ends < 0:
            self._spent.add(number)
        left = self._left_s()
        lasts_s = rule.kind.duration_s if left is None else min(rule.kind.duration_s, left)
        fault = InjectedFault(kind=rule.kind, point=point, occasion=n, draw=float(rng.random()), duration_s=lasts_s)
        self._record_strike(fault, context)
        return fault

    def _rule_strikes(
        self, number: int, rule: FaultRule, rng: np.random.Generator, *, n: int, since: int | None
    ) -> bool:
        if rule.rate:
            is_hit = float(rng.random()) < rule.rate
            return is_hit and not (rule.waits_for_market and self._clock is not None and since is None)
        if rule.begins >= 0:
            if since is None or since < rule.begins:
                return False
            return number not in self._spent if rule.ends < 0 else since < rule.ends
        return rule.first <= n and (not rule.last or n <= rule.last)

    def _since(self) -> int | None:
        # Market ns since the plan began; None while market time stands still, as it does before a client connects.
        if self._clock is None:
            return None
        since = self._clock.market_ns() - self._origin
        if since <= 0:
            return None
        if self._began_at is None:
            self._began_at = self._clock.monotonic_ns() - int(since / self._clock.speed)
        return since

    def _left_s(self) -> float | None:
        self._since()
        if self.until_s is None or self._clock is None or self._began_at is None:
            return None
        return self.until_s - (self._clock.monotonic_ns() - self._began_at) / SECOND

    def _record_strike(self, fault: InjectedFault, context: dict[str, Any]) -> None:
        self.strike_counts[fault.name] += 1
        line = {
            "name": fault.name,
            "where": fault.point,
            "n": fault.occasion,
            "at": self._clock.market_ns() if self._clock is not None else 0,
            "ids": fault.kind.ids.split(),
            "does": fault.kind.description,
            **{name: value for name, value in context.items() if value},
        }
        for listener in self.strike_listeners:
            listener(line)
