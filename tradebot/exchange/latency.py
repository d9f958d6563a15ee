"""How long a request takes to the exchange, and its answer back: wall seconds, drawn from a seeded generator."""

from __future__ import annotations

import numpy as np

from tradebot.clock import SECOND
from tradebot.domain.message import Message


class Latency(Message, frozen=True):
    """Delays between the broker and the exchange's book, in wall seconds; each draw adds 0..`jitter_s`.

    They are wall seconds because they model a network and not the market. At sixty times the speed an order takes sixty
    times as much market time, so a client meets the same race between its own code and the exchange at every speed. The
    price moves further in that time, which errs against the trader.
    """

    to_exchange_s: float = 0.0
    back_s: float = 0.0
    jitter_s: float = 0.0

    def draw_request_delay(self, rng: np.random.Generator, speed: float) -> int:
        """Return one delay of a request in market ns; draws once from `rng`."""
        return self._draw(self.to_exchange_s, rng, speed)

    def draw_answer_delay(self, rng: np.random.Generator, speed: float) -> int:
        """Return one delay of an answer in market ns; draws once from `rng`."""
        return self._draw(self.back_s, rng, speed)

    def _draw(self, seconds: float, rng: np.random.Generator, speed: float) -> int:
        return int((seconds + self.jitter_s * float(rng.random())) * speed * SECOND)


def latency_of_round_trip(milliseconds: float) -> Latency:
    """Return the latency whose way there and back takes `milliseconds` and up to half as much again."""
    delay = milliseconds / 1000 / 2
    return Latency(to_exchange_s=delay, back_s=delay, jitter_s=delay / 2)


NO_LATENCY = Latency()
TYPICAL_LATENCY = Latency(to_exchange_s=0.030, back_s=0.030, jitter_s=0.020)
