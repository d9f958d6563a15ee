"""What the venue holds that is not ours: shown, never traded, and the bound of what our exits may close.

A venue nets all of one line, whoever traded it. So of each line one number is kept, what is held beyond ours: as the
last books say, moved by the fills of other hands since. Our own fills move both sides and leave it as it is. Orders of
other hands that still work may close what is ours before our exit does, and count as if they had.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import NamedTuple

from tradebot.domain.messages import AccountSnapshot, ExternalPosition
from tradebot.domain.order import ZERO, Fill, Order, Side
from tradebot.domain.portfolio import Position
from tradebot.domain.position_key import OWNER_EXTERNAL, NettingKey, PositionKey
from tradebot.domain.products import DELIVERY
from tests.oracle.vendor.trading.desk.book.exposure import Exposure

SETTLED_AFTER = 12  # looks of a process: a fill that the first one showed was heard of long before
CONFIRMATIONS = 2  # looks in a row that must say the same of a line before it counts


class Own(NamedTuple):
    """What ours was of each line when the fills of a look were listed, and what was heard since that they lack.

    `late` is of other hands, `late_ours` of us, both signed.
    """

    held: Mapping[NettingKey, Decimal]
    late: Mapping[NettingKey, Decimal] = {}
    late_ours: Mapping[NettingKey, Decimal] = {}

    def beyond(self, line: NettingKey, net: Decimal, known: Decimal) -> Decimal:
        """Return what `net` holds beyond ours: `known`, where that explains it.

        Positions are asked for beside the fills and may be the later of the two: then they hold what was heard since.
        """
        rest, late, ours = net - self.held.get(line, ZERO), self.late.get(line, ZERO), self.late_ours.get(line, ZERO)
        is_explained = known in (rest + late - ours, rest, rest - ours)
        return known if is_explained else rest + late


class External:
    """The lines of one account beyond ours. `orders` are the blotter's, of which those placed elsewhere count here."""

    def __init__(self, orders: Mapping[str, Order]) -> None:
        self.exposure = Exposure(orders, {})  # of the orders placed elsewhere
        self.beyond: dict[NettingKey, Decimal] = {}  # the venue's net less ours, none zero
        self._accounted: dict[NettingKey, Decimal] = {}  # of that what fills, conversions and the first look account for
        self._prices: dict[NettingKey, Decimal] = {}  # the venue's average prices, of the last look
        self._odd: dict[tuple[str, str], tuple[dict[NettingKey, Decimal], int]] = {}  # (exchange, symbol) -> rests, looks
        self._touched: dict[NettingKey, tuple[int, str]] = {}  # mono at which another hand was heard of last, and what it did
        self._asked_at: int | None = None  # of the books that are being read
        self._taken: dict[NettingKey, Decimal] = {}  # signed parts of ours that were converted, until they are given up
        self._looks = 0
        # Lines that the first look accounted for without a fill -> what was heard of since, which it may have shown.
        self._heard_since: dict[NettingKey, Decimal] = {}

    # ---- what is told

    def trade(self, execution: Fill, sign: int = 1) -> None:
        """Take a fill of another hand; with -1 one that is taken back."""
        line = execution.exchange, execution.symbol, execution.product
        signed = execution.quantity * execution.side.sign * sign
        self._move(line, signed)
        if line in self._heard_since:
            self._heard_since[line] += signed

    def take_over(self, line: NettingKey, quantity: Decimal) -> None:
        """Take what was ours until now."""
        self._taken.pop(line, None)
        self._move(line, quantity)

    def touch(self, line: NettingKey, mono: int, text: str) -> None:
        """Note what another hand did in a line where we trade: only books asked for later tell what is ours there."""
        self._touched[line] = mono if self._asked_at is None else self._asked_at - 1, text

    def begin_look(self, asked_at: int) -> None:
        """Take what is told from here on as told by the books asked for at `asked_at`."""
        self._asked_at = asked_at

    def look(self, books: AccountSnapshot, own: Own) -> None:
        """Take the venue's net. A line stays as it was where the books hide it.

        They do when a row of it cannot be read, or is missing although they list a trade of today there.
        """
        net = books.net_quantities()
        unread = {row.symbol for row in books.unread if row.book == "holdings"}
        silent = {(e.exchange, e.symbol, e.product) for e in books.fills} - net.keys()
        for line in net.keys() | own.held.keys() | self.beyond.keys():
            is_hidden = line[2] == DELIVERY and unread & {"", line[1]}
            if line not in silent and not books.unknown_position_reason(line[1]) and not is_hidden:
                known = self.beyond.get(line, ZERO)
                _put(self.beyond, line, own.beyond(line, net.get(line, ZERO), known))
        self._prices = {(h.exchange, h.symbol, h.product): h.average_price for h in books.holdings}
        self._prices |= {(p.exchange, p.symbol, p.product): p.average_price for p in books.positions}
        self._asked_at = None

    # ---- what is accounted for

    def account(
        self,
        own: Own,
        *,
        asked_at: int,
        symbols: Collection[str],
        is_traded: Callable[[NettingKey], bool],
        is_over: Callable[[NettingKey], bool] = lambda _: False,
    ) -> None:
        """Account for what the look showed, as far as it can be.

        Orders of other hands account for what they filled. A conversion is what one line lost and others of its symbol
        won, two looks alike. In lines where we do not trade everything is simply not ours, and in the first look of a
        process also what stands beside ours on its side, and what ours lost while other products of its symbol won as
        much: it was converted meanwhile. What ours lost in a line whose day `is_over` is gone. The rest is a
        difference, see `rests`.
        """
        odd = self._odd_lines(own, symbols, is_over)
        before, self._odd = self._odd, {}
        for of, rests in odd.items():
            last = before.get(of)
            lasted = last[1] + 1 if last is not None and last[0] == rests else 1
            if lasted >= CONFIRMATIONS:
                self._accept_confirmed(rests, own, is_traded)
            if rests:
                self._odd[of] = rests, lasted
        self._touched = {line: told for line, told in self._touched.items() if asked_at <= told[0] or self._rest(line)}

    def _odd_lines(
        self, own: Own, symbols: Collection[str], is_over: Callable[[NettingKey], bool]
    ) -> dict[tuple[str, str], dict[NettingKey, Decimal]]:
        # (exchange, symbol) -> line -> what another look must confirm; all else is accounted for now.
        odd: dict[tuple[str, str], dict[NettingKey, Decimal]] = {}
        lines = self.beyond.keys() | self._accounted.keys()
        of_symbol: dict[tuple[str, str], Decimal] = {}
        for line in lines:
            of_symbol[line[:2]] = of_symbol.get(line[:2], ZERO) + self._rest(line)
        for line in lines:
            rest, held = self._rest(line), own.held.get(line, ZERO)
            is_lost = rest * held < 0 and of_symbol[line[:2]] * held < 0
            is_gone = rest * held < 0 and is_over(line)
            if rest and line[1] in symbols and (self._looks or is_lost) and not is_gone:
                odd.setdefault(line[:2], {})[line] = rest
                continue
            if rest and not self._looks:
                self._heard_since[line] = ZERO
            self._accept(line, held)
        self._looks += 1
        if self._looks > SETTLED_AFTER:
            self._heard_since.clear()
        return odd

    def _accept_confirmed(self, rests: dict[NettingKey, Decimal], own: Own, is_traded: Callable[[NettingKey], bool]) -> None:
        # Of the rests of a symbol of which two looks said the same: what is accounted for leaves `rests`.
        if not sum(rests.values(), ZERO):  # what one line lost others won: it was converted
            for line in rests:
                self._accept(line, own.held.get(line, ZERO))
            rests.clear()
            return
        for line in list(rests):
            is_ours = is_traded(line) and line in self.beyond
            if is_ours and not self._is_told_twice(line, rests[line]) and not self._was_shown_wrongly(line, own):
                continue
            self._accept(line)
            del rests[line]

    def _is_told_twice(self, line: NettingKey, rest: Decimal) -> bool:
        # The first look showed a fill that was heard of after it.
        return bool(rest) and rest == -self._heard_since.get(line, ZERO)

    def _was_shown_wrongly(self, line: NettingKey, own: Own) -> bool:
        # The first look believed one answer, of more than two later ones show; and nothing there is ours.
        rest, believed = self._rest(line), self._accounted.get(line, ZERO)
        return (
            line in self._heard_since and not own.held.get(line) and rest * believed < 0 and abs(rest) <= abs(believed)
        )

    def rests(self) -> dict[NettingKey, Decimal]:
        """Return line -> what is held beyond ours that nothing accounts for, where two looks said the same."""
        return {
            line: rest
            for rests, lasted in self._odd.values()
            for line, rest in rests.items()
            if lasted >= CONFIRMATIONS and line in self.beyond
        }

    def unsettled(self) -> dict[str, str]:
        """Return symbol -> what another hand did there that no books have accounted for yet."""
        return {line[1]: text for line, (_, text) in self._touched.items()}

    @property
    def is_in_doubt(self) -> bool:
        """True while a look may tell more of a line where we trade."""
        return bool(self._touched) or any(lasted < CONFIRMATIONS for _, lasted in self._odd.values())

    def lost(self, position: Position) -> Decimal:
        """Return the signed part of a position of ours that other hands closed or converted, as accounted for."""
        line, held = position.key.netting_key, position.quantity
        if self._rest(line):
            return ZERO
        # What was converted is gone as a whole: what another hand bought beside it is theirs.
        sign = 1 if held > 0 else -1
        taken = max(-self._accounted.get(line, ZERO) * sign, self._taken.get(line, ZERO) * sign)
        return min(taken, held * sign) * sign if taken > 0 else ZERO

    def of_ours(self, line: NettingKey, net: Mapping[NettingKey, Decimal]) -> Decimal:
        """Return what of the venue's `net` of a line is ours, going by what is accounted for."""
        return net.get(line, ZERO) - self._accounted.get(line, ZERO)

    # ---- what others ask

    def closable(self, position: Position, *, is_sure: bool = False) -> Decimal:
        """Return the signed quantity that we may close: ours, as far as the venue holds it on the same side.

        `is_sure` leaves out what one look alone says, which may be of a moment ago, except for a conversion.
        """
        held, line = position.quantity, position.key.netting_key
        beyond, rest = self.beyond.get(line, ZERO), self._rest(line)
        if is_sure:
            rests, lasted = self._odd.get(line[:2], ({}, CONFIRMATIONS))
            unsure = rests.get(line, ZERO) if lasted < CONFIRMATIONS and sum(rests.values(), ZERO) else ZERO
            beyond, rest = beyond - unsure, rest - unsure
        # What another hand bought beside it does not stand in for what ours lost.
        free = held + (min(beyond, rest) if held > 0 else max(beyond, rest))
        side = Side.SELL if held > 0 else Side.BUY
        for order in self.exposure.all(line[1]):
            if order.request.side is side and line_of(order) == line:
                free += order.reserved_quantity(self.exposure.mono) * side.sign
        return max(min(held, free), ZERO) if held > 0 else min(max(held, free), ZERO)

    def bounds(self, symbol: str) -> bool:
        """Return whether something of other hands may bound what is done in a symbol."""
        return self.exposure.has_orders(symbol) or any(line[1] == symbol for line in self.beyond)

    def positions(self, venue: str) -> tuple[ExternalPosition, ...]:
        """Return what is held beyond ours, in the order of the keys."""
        return tuple(
            ExternalPosition(PositionKey(venue, *line, OWNER_EXTERNAL), quantity, self._prices.get(line, ZERO))
            for line, quantity in sorted(self.beyond.items())
        )

    def __bool__(self) -> bool:
        """True while something is held beyond ours or an order of another hand counts."""
        return bool(self.beyond or self.exposure.working or self.exposure.held)

    def _move(self, line: NettingKey, quantity: Decimal) -> None:
        for held in (self.beyond, self._accounted):
            _put(held, line, held.get(line, ZERO) + quantity)

    def _rest(self, line: NettingKey) -> Decimal:
        return self.beyond.get(line, ZERO) - self._accounted.get(line, ZERO)

    def _accept(self, line: NettingKey, held: Decimal = ZERO) -> None:
        # `held` is ours in the line, where the rest is what ours lost.
        if (rest := self._rest(line)) * held < 0:
            self._taken[line] = min(-rest, held, key=abs)
        _put(self._accounted, line, self.beyond.get(line, ZERO))


def line_of(order: Order) -> NettingKey:
    """Return the line that an order trades."""
    request = order.request
    return request.exchange, request.symbol, request.product


def _put(held: dict[NettingKey, Decimal], line: NettingKey, quantity: Decimal) -> None:
    if quantity:
        held[line] = quantity
    else:
        held.pop(line, None)
