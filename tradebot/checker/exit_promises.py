"""I29: what is not ours is never sold, and no exit turns a product of the account to the other side.

Judged from the venue's records alone: its fills and conversions give the net of each line, (exchange, symbol, product),
at every moment, and the tags of the orders say which of it is ours. The journal tells only which orders were exits.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

from tradebot.checker.case import Case
from tradebot.checker.story import number
from tradebot.checker.verdict import Verdict, broken, listed, not_shown, ok

Line = tuple[str, str, str]

# Answers of the venue's positions that a daemon may go by. What happened after the oldest of them it need not know: a
# difference is believed when two looks say so, and one answer may be the one before.
LOOKS = 2
POSITIONS = "/portfolio/positions"
DELIVERY = "CNC"
ZERO = Fraction(0)


class Nets:
    """The account line by line as the venue's log tells it; `ours` is what is left of what our own fills made.

    A trade or a conversion of another hand takes from what is not ours, then from ours, and opens what is left. An exit
    takes from ours first: one that meets less, since another hand closed it meanwhile, takes from theirs.
    """

    def __init__(self) -> None:
        self.net: dict[Line, Fraction] = defaultdict(Fraction)
        self.ours: dict[Line, Fraction] = defaultdict(Fraction)
        self.known_net, self.known_ours = Known(self.net), Known(self.ours)
        self._taken: dict[Line, list[tuple[int, Fraction]]] = defaultdict(list)  # (answers before it, of ours)
        self._answers = 0

    @classmethod
    def of_the_begin(cls, lines: Iterable[tuple[int, dict[str, Any]]]) -> dict[Line, Fraction]:
        """Return what the demat account held when the log began."""
        nets = cls()
        for _, line in lines:
            if line.get("kind") == "session":
                nets.take(line, is_ours=False)
        return dict(nets.net)

    def take(self, line: dict[str, Any], *, is_ours: bool, is_exit: bool = False) -> None:
        """Take a fill, a conversion or the begin of a session."""
        match line["kind"]:
            case "session" if not line["resumed"]:
                for row in line.get("holdings", ()):
                    owned = number(row["quantity"]) + number(row.get("t1_quantity", "0"))
                    self.net[row["exchange"], row["symbol"], DELIVERY] += owned
            case "fill":
                of, signed = (line["exchange"], line["symbol"], line["product"]), _signed(line)
                self._move(of, signed, is_ours=is_ours, is_exit=is_exit)
            case "conversion":
                signed = _signed(line)
                self._move((line["exchange"], line["symbol"], line["was"]), -signed, is_ours=False)
                self._move((line["exchange"], line["symbol"], line["becomes"]), signed, is_ours=False)

    def show(self) -> None:
        """Note that the venue answered with its positions."""
        self._answers += 1
        self.known_net.show()
        self.known_ours.show()

    def _given_back(self, of: Line, signed: Fraction) -> Fraction:
        # What was taken and is there again before two answers could show that it was gone was never missed.
        fresh = [taken for at, taken in self._taken.pop(of, ()) if self._answers - at < LOOKS]
        missing = sum(fresh, ZERO)
        return min(signed, missing, key=abs) if signed * missing > 0 else ZERO

    def _move(self, of: Line, signed: Fraction, *, is_ours: bool, is_exit: bool = False) -> None:
        ours, net = self.ours[of], self.net[of]
        others = net - ours
        if is_exit and ours * signed <= 0:
            left = ours + signed
            if left * signed > 0 and left * others < 0:
                left = _less(left, others)
        elif is_ours:
            left = ours + signed
        else:
            rest = signed if others * signed >= 0 else _less(signed, others)
            left = _less(ours, rest) if ours * rest < 0 else ours + self._given_back(of, rest)
            self._taken[of].append((self._answers, ours - left))
        self.known_ours.move(of, left, is_ours=is_ours)
        self.known_net.move(of, net + signed, is_ours=is_ours)
        self.ours[of], self.net[of] = left, net + signed


class Known:
    """What a daemon could take some numbers for: our own fills it knows, of other hands perhaps what an answer said."""

    def __init__(self, now: dict[Line, Fraction]) -> None:
        self._now = now
        self._since: deque[dict[Line, list[Fraction]]] = deque([{}], maxlen=LOOKS)  # an answer -> the values since

    def show(self) -> None:
        """Note an answer: what is older than the oldest of the last ones need not be taken for true any more."""
        self._since.append({})

    def move(self, of: Line, value: Fraction, *, is_ours: bool) -> None:
        """Take a change of one number to `value`."""
        before = self._now[of]
        for values in self._since if is_ours else ():
            values[of] = [old + value - before for old in values.get(of, (before,))]
        if not is_ours:
            self._since[-1].setdefault(of, [before]).append(value)

    def most(self, of: Line, sign: int) -> Fraction:
        """Return the most that it could be on the side of `sign`, 0 where it was on the other."""
        known = [self._now[of], *(value for values in self._since for value in values.get(of, ()))]
        return max(max(value * sign for value in known), ZERO)


def _signed(line: dict[str, Any]) -> Fraction:
    return number(line["quantity"]) * (1 if line["side"] == "BUY" else -1)


def _less(value: Fraction, taken: Fraction) -> Fraction:
    # What is left of a signed quantity when one of the other sign takes from it.
    left = value + taken
    return left if left * value > 0 else ZERO


def others_are_left_alone(case: Case) -> Verdict:
    """I29: an exit closes at most what is ours and what the account holds on that side of its product."""
    if case.log is None:
        return not_shown("I29", "without the exchange's log nobody knows what the account holds beside ours")
    faults, judged = list[str](), 0
    for at, params, nets in _exits(case, case.log.lines):
        judged += 1
        faults += _too_much(at, params, nets)
    if faults:
        return broken("I29", listed(faults))
    if not judged:
        return not_shown("I29", "no exit reached the exchange")
    return ok("I29", f"{judged} exits closed no more than what was ours and there")


def _exits(case: Case, lines: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[tuple[int, dict[str, Any], Nets]]:
    # Each exit that was asked for: its line, what it asked, and the account as it was then.
    exits = {o.order_id for o in case.orders.values() if o.purpose not in ("entry", "external", "")}
    tags = {order_id: str(v[1]["ticket"]["tag"]) for order_id, v in case.last_versions.items()}
    nets, is_struck = Nets(), False  # struck: the next answer of positions is not what the account holds
    for at, line in lines:
        match line.get("kind"):
            case "fault":
                is_struck = is_struck or line["where"] == "positions"
            case "request" if line["path"].endswith(POSITIONS) and line["method"] == "GET":
                if not is_struck and line["status"] == 200:
                    nets.show()
                is_struck = False
            case "request" if str(line["params"].get("tag", "")) in exits and line["method"] == "POST":
                yield at, line["params"], nets
            case "fill" | "conversion" | "session":
                tag = tags.get(line.get("order_id", ""), "")
                nets.take(line, is_ours=case.is_ours(tag), is_exit=tag in exits)


def _too_much(at: int, params: dict[str, Any], nets: Nets) -> Iterator[str]:
    tag = str(params.get("tag", ""))
    of = (params["exchange"], params["tradingsymbol"], params["product"])
    sign, quantity = 1 if params["transaction_type"] == "SELL" else -1, number(params["quantity"])
    word, name = "long" if sign > 0 else "short", ":".join(of)
    if quantity > (most := nets.known_net.most(of, sign)):
        yield f"{tag} (line {at}) closes {quantity} of {name}, of which the account was {most} {word} at most"
    elif quantity > (most := nets.known_ours.most(of, sign)):
        yield f"{tag} (line {at}) closes {quantity} of {name}, of which {most} {word} was ours at most"
