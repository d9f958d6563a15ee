"""The logins of a simulated day: where its token dies, how it begins, and how long the person who logs in takes.

They are drawn from a generator of their own, so that a seed has the same day without them.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from tradebot.simulation.seeded_random import SeededRandom

STREAM = 0x10619  # of the seed's generators, the one that draws these days
DEATHS = (1, 3)  # places at which the token of a day is replaced
ADDED_S = (14.0, 22.0)  # seconds by which the time of faults is longer, so that there are some after a login
SHORTEST_DELAY_S = 0.3
LONGEST_DELAY_S, PATIENT_SHARE = 12.0, 0.4  # of a day with a quick person; the other days have a slow one
# Of a slow person: minutes. A fast market would be closed before many of them.
SLOW_DELAY_S, SLOW_DELAY_OF_FAST_MARKET_S = 150.0, 40.0
FAST_MARKET = 20.0  # market seconds a second
LOGGED_IN_SHARE, BAD_LOGIN_SHARE = 0.4, 0.4  # shares of the days: a token is given; the exchange of a token fails once
NIGHT_SHARE = 0.2  # share of these days with a night, at which every token ends
SECOND_DAY_S = 172_800  # market seconds from the begin until the second day of a night

READS = ("positions", "orders.list", "trades", "margins")
FIRST_READS = ("profile", "instruments", "orders.list", "positions", "trades", "holdings", "quotes")
LOST_STREAMS = (
    "connect-503:ticker.connect@2-4",
    "connect-hang:ticker.connect@2",
    "connect-403:ticker.connect@2-3",
    "close-1006:ticker.frame@90",
    "half-open:ticker.frame@120",
)
BAD_EXCHANGES = (
    "lost-before",
    "hang-before",
    "unavailable",
    "firewall-403",
    "accept-then-reset",
    "accept-then-hang",
    "accept-then-5xx",
    "half-json",
    "null-data",
    "slow-bytes",
)

LoginWay = Literal["plain", "used token", "twice", "at once", "killed", "killed after", "down"]
# How a person logs in -> how often, of a hundred: at the first try; with a token that was used; once more after it; two
# at the same time; while the daemon is killed; a moment before it is killed; while no daemon runs.
WAYS: dict[LoginWay, int] = {
    "plain": 38,
    "used token": 14,
    "twice": 12,
    "at once": 8,
    "killed": 12,
    "killed after": 8,
    "down": 8,
}


class LoginDay(NamedTuple):
    """The logins of one day; `faults` are in the syntax of `--faults`, delays in seconds."""

    faults: str
    begins_logged_in: bool  # with a token in the settings; without one the first start waits for a login
    longest_delay_s: float
    added_s: float
    has_night: bool  # it is to have one even if the seed has none without logins


def draw_login_day(seed: int, *, speed: float, faulty_s: float, has_night: bool) -> LoginDay:
    """Return the logins of a seed whose market runs at `speed` and whose faults last `faulty_s` without them.

    `has_night` says that the seed has two days already.
    """
    rng = SeededRandom(seed, STREAM)
    added_s, has_night = rng.float_between(*ADDED_S), rng.draw_bool(NIGHT_SHARE) or has_night
    slow_s = SLOW_DELAY_OF_FAST_MARKET_S if speed > FAST_MARKET else SLOW_DELAY_S
    begins_logged_in = rng.draw_bool(LOGGED_IN_SHARE)
    longest_s = slow_s if rng.draw_bool(PATIENT_SHARE) else LONGEST_DELAY_S
    faults = [_draw_death(rng, speed * (faulty_s + added_s)) for _ in range(rng.int_between(*DEATHS))]
    if rng.draw_bool(BAD_LOGIN_SHARE):
        faults.append(f"{rng.one_of(BAD_EXCHANGES)}:session@{rng.int_between(1, 2)}")
    if has_night and rng.draw_bool(0.5):
        faults.append(f"token-replaced:{rng.one_of(READS)}@t+{SECOND_DAY_S + rng.int_between(0, 100)}s")
    # Before a night all must be settled in the time that the faults of its first day last.
    longest_s = LONGEST_DELAY_S / 2 if has_night else longest_s
    return LoginDay(",".join(faults), begins_logged_in, longest_s, added_s, has_night)


def draw_delay_s(rng: SeededRandom, longest_s: float) -> float:
    """Return the seconds until a person logs in: short ones are as frequent as long ones on a scale of powers."""
    low, high = math.log(SHORTEST_DELAY_S), math.log(longest_s)
    return math.exp(rng.float_between(low, high))


def draw_way(rng: SeededRandom) -> LoginWay:
    """Return how a person logs in."""
    left = rng.next_float() * sum(WAYS.values())
    for way, weight in WAYS.items():
        left -= weight
        if left < 0:
            return way
    return "plain"


def _draw_death(rng: SeededRandom, market_s: float) -> str:
    # A login elsewhere: at a moment, in a reconciliation, in a burst of orders, with a lost stream, or at a start.
    match rng.int_between(0, 5):
        case 0 | 1:
            at_s = round(market_s * rng.float_between(0.2, 0.9))
            return f"token-replaced:{rng.one_of(READS[:2])}@t+{at_s}s"
        case 2:
            return f"token-replaced:{rng.one_of(READS)}@{rng.int_between(2, 14)}"
        case 3:
            point = "orders.create" if rng.draw_bool(0.7) else "orders.cancel"
            return f"token-replaced:{point}@{rng.int_between(1, 9)}"
        case 4:
            return f"token-replaced:{rng.one_of(READS)}@{rng.int_between(3, 12)},{rng.one_of(LOST_STREAMS)}"
        case _:
            restart = f",operator-restarts:operator@{rng.int_between(4, 16)}" if rng.draw_bool(0.6) else ""
            return f"token-replaced:{rng.one_of(FIRST_READS)}@{2 if restart else 1}{restart}"
