"""I29: what is not ours is never sold, and no exit turns a product of the account to the other side.

Judged from the venue's records alone: its fills and conversions give the net of each line, (exchange, symbol, product),
at every moment, and the tags of the orders say which of it is ours. The journal tells only which orders were exits.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

from tradebot.checker.order_history import to_fraction
from tradebot.checker.run_records import RunRecords
from tradebot.checker.verdict import PromiseVerdict, list_faults, verdict_broken, verdict_not_shown, verdict_ok

NetKey = tuple[str, str, str]

# Answers of the venue's positions that a daemon may go by. What happened after the oldest of them it need not know: a
# difference is believed when two looks say so, and one answer may be the one before.
ANSWERS_BELIEVED = 2
POSITIONS_PATH = "/portfolio/positions"
DELIVERY = "CNC"
ZERO = Fraction(0)


class AccountNets:
    """The account line by line as the venue's log tells it; `our_part` is what is left of what our own fills made.

    A trade or a conversion of another hand takes from what is not ours, then from ours, and opens what is left. An exit
    takes from ours first: one that meets less, since another hand closed it meanwhile, takes from theirs.
    """

    def __init__(self) -> None:
        self.net: dict[NetKey, Fraction] = defaultdict(Fraction)
        self.our_part: dict[NetKey, Fraction] = defaultdict(Fraction)
        self.known_net, self.known_ours = KnownValues(self.net), KnownValues(self.our_part)
        self._taken_from_ours: dict[NetKey, list[tuple[int, Fraction]]] = defaultdict(
            list
        )  # (answers before it, of ours)
        self._answers = 0

    @classmethod
    def initial_holdings(cls, lines: Iterable[tuple[int, dict[str, Any]]]) -> dict[NetKey, Fraction]:
        """Return what the demat account held when the log began."""
        nets = cls()
        for _, line in lines:
            if line.get("kind") == "session":
                nets.apply_line(line, is_ours=False)
        return dict(nets.net)

    def apply_line(self, line: dict[str, Any], *, is_ours: bool, is_exit: bool = False) -> None:
        """Take a fill, a conversion or the begin of a session."""
        match line["kind"]:
            case "session" if not line["resumed"]:
                for row in line.get("holdings", ()):
                    owned = to_fraction(row["quantity"]) + to_fraction(row.get("t1_quantity", "0"))
                    self.net[row["exchange"], row["symbol"], DELIVERY] += owned
            case "fill":
                of, signed = (line["exchange"], line["symbol"], line["product"]), _signed(line)
                self._change_net(of, signed, is_ours=is_ours, is_exit=is_exit)
            case "conversion":
                signed = _signed(line)
                self._change_net((line["exchange"], line["symbol"], line["was"]), -signed, is_ours=False)
                self._change_net((line["exchange"], line["symbol"], line["becomes"]), signed, is_ours=False)

    def note_positions_answer(self) -> None:
        """Note that the venue answered with its positions."""
        self._answers += 1
        self.known_net.start_answer()
        self.known_ours.start_answer()

    def _returned_quantity(self, key: NetKey, signed: Fraction) -> Fraction:
        # What was taken and is there again before two answers could show that it was gone was never missed.
        fresh = [taken for at, taken in self._taken_from_ours.pop(key, ()) if self._answers - at < ANSWERS_BELIEVED]
        missing = sum(fresh, ZERO)
        return min(signed, missing, key=abs) if signed * missing > 0 else ZERO

    def _change_net(self, key: NetKey, signed: Fraction, *, is_ours: bool, is_exit: bool = False) -> None:
        ours, net = self.our_part[key], self.net[key]
        others = net - ours
        if is_exit and ours * signed <= 0:
            left = ours + signed
            if left * signed > 0 and left * others < 0:
                left = _less(left, others)
        elif is_ours:
            left = ours + signed
        else:
            rest = signed if others * signed >= 0 else _less(signed, others)
            left = _less(ours, rest) if ours * rest < 0 else ours + self._returned_quantity(key, rest)
            self._taken_from_ours[key].append((self._answers, ours - left))
        self.known_ours.record_change(key, left, is_ours=is_ours)
        self.known_net.record_change(key, net + signed, is_ours=is_ours)
        self.our_part[key], self.net[key] = left, net + signed


class KnownValues:
    """What a daemon could take some numbers for: our own fills it knows, of other hands perhaps what an answer said."""

    def __init__(self, now: dict[NetKey, Fraction]) -> None:
        self._now = now
        self._since: deque[dict[NetKey, list[Fraction]]] = deque(
            [{}], maxlen=ANSWERS_BELIEVED
        )  # an answer -> the values since

    def start_answer(self) -> None:
        """Note an answer: what is older than the oldest of the last ones need not be taken for true any more."""
        self._since.append({})

    def record_change(self, key: NetKey, value: Fraction, *, is_ours: bool) -> None:
        """Take a change of one number to `value`."""
        before = self._now[key]
        for values in self._since if is_ours else ():
            values[key] = [old + value - before for old in values.get(key, (before,))]
        if not is_ours:
            self._since[-1].setdefault(key, [before]).append(value)

    def largest_known(self, key: NetKey, sign: int) -> Fraction:
        """Return the most that it could be on the side of `sign`, 0 where it was on the other."""
        known = [self._now[key], *(value for values in self._since for value in values.get(key, ()))]
        return max(max(value * sign for value in known), ZERO)


def _signed(line: dict[str, Any]) -> Fraction:
    return to_fraction(line["quantity"]) * (1 if line["side"] == "BUY" else -1)


def _less(value: Fraction, taken: Fraction) -> Fraction:
    # What is left of a signed quantity when one of the other sign takes from it.
    left = value + taken
    return left if left * value > 0 else ZERO


def foreign_positions_kept(records: RunRecords) -> PromiseVerdict:
    """I29: an exit closes at most what is ours and what the account holds on that side of its product."""
    if records.log is None:
        return verdict_not_shown("I29", "without the exchange's log nobody knows what the account holds beside ours")
    faults, judged = list[str](), 0
    for at, params, nets in _exits(records, records.log.lines):
        judged += 1
        faults += _too_much(at, params, nets)
    if faults:
        return verdict_broken("I29", list_faults(faults))
    if not judged:
        return verdict_not_shown("I29", "no exit reached the exchange")
    return verdict_ok("I29", f"{judged} exits closed no more than what was ours and there")


def _exits(
    records: RunRecords, lines: Iterable[tuple[int, dict[str, Any]]]
) -> Iterator[tuple[int, dict[str, Any], AccountNets]]:
    # Each exit that was asked for: its line, what it asked, and the account as it was then.
    exits = {o.order_id for o in records.orders.values() if o.purpose not in ("entry", "external", "")}
    tags = {order_id: str(v[1]["ticket"]["tag"]) for order_id, v in records.last_versions.items()}
    nets, is_struck = AccountNets(), False  # struck: the next answer of positions is not what the account holds
    for at, line in lines:
        match line.get("kind"):
            case "fault":
                is_struck = is_struck or line["where"] == "positions"
            case "request" if line["path"].endswith(POSITIONS_PATH) and line["method"] == "GET":
                if not is_struck and line["status"] == 200:
                    nets.note_positions_answer()
                is_struck = False
            case "request" if str(line["params"].get("tag", "")) in exits and line["method"] == "POST":
                yield at, line["params"], nets
            case "fill" | "conversion" | "session":
                tag = tags.get(line.get("order_id", ""), "")
                nets.apply_line(line, is_ours=records.is_ours(tag), is_exit=tag in exits)


def _too_much(at: int, params: dict[str, Any], nets: AccountNets) -> Iterator[str]:
    tag = str(params.get("tag", ""))
    of = (params["exchange"], params["tradingsymbol"], params["product"])
    sign, quantity = 1 if params["transaction_type"] == "SELL" else -1, to_fraction(params["quantity"])
    word, name = "long" if sign > 0 else "short", ":".join(of)
    if quantity > (most := nets.known_net.largest_known(of, sign)):
        yield f"{tag} (line {at}) closes {quantity} of {name}, of which the account was {most} {word} at most"
    elif quantity > (most := nets.known_ours.largest_known(of, sign)):
        yield f"{tag} (line {at}) closes {quantity} of {name}, of which {most} {word} was ours at most"
