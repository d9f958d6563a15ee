"""Promise I29: an exit never closes a foreign position and never turns a net position to the other side.

Judged from the venue's records: its fills and conversions give the net per (exchange, symbol, product) at every
moment, and the tags of the orders show which part is ours. The journal only tells which orders were exits.
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

# Last answers with positions that a daemon may rely on. It need not know what happened after the older one: it believes
# a difference once two polls agree on it, and an answer may be one poll old.
ANSWERS_BELIEVED = 2
POSITIONS_PATH = "/portfolio/positions"
DELIVERY = "CNC"
ZERO = Fraction(0)


class AccountNets:
    """The net positions of the account by the venue's log; `our_part` is the part that our own fills left.

    A trade or conversion by others first reduces their part, then ours, and opens a position with the rest. Our exit
    first reduces our part. Where others have closed some of that, it reduces theirs.
    """

    def __init__(self) -> None:
        self.net: dict[NetKey, Fraction] = defaultdict(Fraction)
        self.our_part: dict[NetKey, Fraction] = defaultdict(Fraction)
        self.known_net, self.known_ours = KnownValues(self.net), KnownValues(self.our_part)
        self._taken_from_ours: dict[NetKey, list[tuple[int, Fraction]]] = defaultdict(list)  # (answers, quantity)
        self._answers = 0

    @classmethod
    def initial_holdings(cls, lines: Iterable[tuple[int, dict[str, Any]]]) -> dict[NetKey, Fraction]:
        """Return the holdings of the demat account at the start of the log."""
        nets = cls()
        for _, line in lines:
            if line.get("kind") == "session":
                nets.apply_line(line, is_ours=False)
        return dict(nets.net)

    def apply_line(self, line: dict[str, Any], *, is_ours: bool, is_exit: bool = False) -> None:
        """Apply a line of the log: a fill, a conversion or the start of a session."""
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
        # What came back before two answers showed it gone was never missing for the daemon.
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
    """The quantities that a daemon may assume: it knows our fills, and changes by others from the venue's answers."""

    def __init__(self, now: dict[NetKey, Fraction]) -> None:
        self._now = now
        # One entry per answer: key -> the values since then.
        self._since: deque[dict[NetKey, list[Fraction]]] = deque([{}], maxlen=ANSWERS_BELIEVED)

    def start_answer(self) -> None:
        """Begin a new answer; values older than the last two answers are forgotten."""
        self._since.append({})

    def record_change(self, key: NetKey, value: Fraction, *, is_ours: bool) -> None:
        """Record that a key changes to `value`; our own change also shifts the values known from earlier answers."""
        before = self._now[key]
        for values in self._since if is_ours else ():
            values[key] = [old + value - before for old in values.get(key, (before,))]
        if not is_ours:
            self._since[-1].setdefault(key, [before]).append(value)

    def largest_known(self, key: NetKey, sign: int) -> Fraction:
        """Return the largest assumable quantity on the side of `sign` (1 long, -1 short), 0 if there is none."""
        values_assumed = [self._now[key], *(value for values in self._since for value in values.get(key, ()))]
        return max(max(value * sign for value in values_assumed), ZERO)


def _signed(line: dict[str, Any]) -> Fraction:
    return to_fraction(line["quantity"]) * (1 if line["side"] == "BUY" else -1)


def _less(value: Fraction, taken: Fraction) -> Fraction:
    # The rest of a signed quantity after a reduction with the opposite sign, not beyond zero.
    left = value + taken
    return left if left * value > 0 else ZERO


def foreign_positions_kept(records: RunRecords) -> PromiseVerdict:
    """I29: an exit closes at most our part, and at most what the account holds on that side of the product."""
    if records.log is None:
        return verdict_not_shown("I29", "without the exchange's log nobody knows what the account holds beside ours")
    faults, judged, exits = list[str](), 0, records.exit_tags
    for at, line, nets in follow_account(records, records.log.lines):
        if line["kind"] == "request" and line["method"] == "POST" and str(line["params"].get("tag", "")) in exits:
            judged += 1
            faults += _too_much(at, line["params"], nets)
    if faults:
        return verdict_broken("I29", list_faults(faults))
    if not judged:
        return verdict_not_shown("I29", "no exit reached the exchange")
    return verdict_ok("I29", f"{judged} exits closed no more than what was ours and there")


def follow_account(
    records: RunRecords, lines: Iterable[tuple[int, dict[str, Any]]]
) -> Iterator[tuple[int, dict[str, Any], AccountNets]]:
    """Yield each request that writes, and each version of an order, with the account at that moment."""
    tags = {order_id: str(v[1]["ticket"]["tag"]) for order_id, v in records.last_versions.items()}
    nets, is_struck = AccountNets(), False  # struck: the next answer with positions is falsified by a fault
    for at, line in lines:
        match line.get("kind"):
            case "fault":
                is_struck = is_struck or line["where"] == "positions"
            case "request" if line["path"].endswith(POSITIONS_PATH) and line["method"] == "GET":
                if not is_struck and line["status"] == 200:
                    nets.note_positions_answer()
                is_struck = False
            case "request" if line["method"] in ("POST", "PUT"):
                yield at, line, nets
            case "order":
                yield at, line, nets
            case "fill" | "conversion" | "session":
                tag = tags.get(line.get("order_id", ""), "")
                nets.apply_line(line, is_ours=records.is_ours(tag), is_exit=tag in records.exit_tags)


def _too_much(at: int, params: dict[str, Any], nets: AccountNets) -> Iterator[str]:
    tag = str(params.get("tag", ""))
    of = (params["exchange"], params["tradingsymbol"], params["product"])
    sign, quantity = 1 if params["transaction_type"] == "SELL" else -1, to_fraction(params["quantity"])
    word, name = "long" if sign > 0 else "short", ":".join(of)
    if quantity > (most := nets.known_net.largest_known(of, sign)):
        yield f"{tag} (line {at}) closes {quantity} of {name}, of which the account was {most} {word} at most"
    elif quantity > (most := nets.known_ours.largest_known(of, sign)):
        yield f"{tag} (line {at}) closes {quantity} of {name}, of which {most} {word} was ours at most"
