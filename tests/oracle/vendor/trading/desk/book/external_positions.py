"""External positions: what the venue holds that is not ours. They are shown, never traded, and limit our exits.

A venue nets all trades under one netting key, from every source. So one number is kept per key, the external quantity:
the venue's net quantity less ours. It is what the last snapshot says, plus the external fills since. Our own fills
change the venue's quantity and ours, so they leave it as it is. A working external order may close our position before
our exit does, so it counts as if it had.

The external quantity of a key has two parts. The accounted part is explained by external fills, by conversions and by
the first poll. The rest is unexplained: it may be a fill not reported yet, or a change of our own position by others.

Locals and parameters named `line` are netting keys.
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

SETTLED_AFTER_POLLS = 12  # polls of a process: by then every fill that the first poll included has been reported
CONFIRMING_POLLS = 2  # polls in a row that must agree on a netting key before it counts


class OwnQuantities(NamedTuple):
    """Our quantities when a snapshot's fills were listed, and the fills reported since; all signed, by netting key.

    `held` is our quantity at that time. `late` are the external fills since, `late_ours` our fills since.
    """

    held: Mapping[NettingKey, Decimal]
    late: Mapping[NettingKey, Decimal] = {}
    late_ours: Mapping[NettingKey, Decimal] = {}

    def external_quantity(self, netting_key: NettingKey, net: Decimal, known: Decimal) -> Decimal:
        """Return the quantity that is not ours in `net`, the venue's net quantity under a netting key.

        The venue answers positions and fills separately, so `net` may or may not include the fills reported since.
        `known` is the external quantity as known so far. It is returned if it agrees with `net` in any of these cases.
        """
        rest, late, ours = (
            net - self.held.get(netting_key, ZERO),
            self.late.get(netting_key, ZERO),
            self.late_ours.get(netting_key, ZERO),
        )
        # Three cases: `net` includes our fills since, but not the external ones; it includes the external ones, but not
        # ours; it includes both.
        is_explained = known in (rest + late - ours, rest, rest - ours)
        return known if is_explained else rest + late


class ExternalPositions:
    """The external quantities of one account. `orders` are the blotter's; those placed elsewhere count here."""

    def __init__(self, orders: Mapping[str, Order]) -> None:
        self.exposure = Exposure(orders, {})  # exposure of the external orders
        self.quantities: dict[NettingKey, Decimal] = {}  # the venue's net quantity less ours, never 0
        self._accounted: dict[NettingKey, Decimal] = {}  # the part explained by fills, conversions and the first poll
        self._prices: dict[NettingKey, Decimal] = {}  # the venue's average prices in the last snapshot
        # (exchange, symbol) -> (netting key -> unexplained rest, how many polls in a row showed them)
        self._unconfirmed: dict[tuple[str, str], tuple[dict[NettingKey, Decimal], int]] = {}
        # netting key where we trade -> (monotonic ns of the last external event, its text)
        self._unsettled: dict[NettingKey, tuple[int, str]] = {}
        self._asked_mono: int | None = None  # monotonic ns at which the snapshot being read was requested
        # netting key -> signed part of our position that others converted, until it is released
        self._converted: dict[NettingKey, Decimal] = {}
        self._polls = 0  # snapshots attributed by this process
        # Netting key of a rest that the first poll accounted for without a fill -> signed sum of the external fills
        # reported since. That poll may have included them already.
        self._heard_since: dict[NettingKey, Decimal] = {}

    # ---- what is reported

    def apply_fill(self, fill: Fill, sign: int = 1) -> None:
        """Apply an external fill; `sign` -1 reverses one."""
        line, signed = fill.netting_key, fill.quantity * fill.side.sign * sign
        self._add_accounted(line, signed)
        if line in self._heard_since:
            self._heard_since[line] += signed

    def take_over_position(self, netting_key: NettingKey, quantity: Decimal) -> None:
        """Take over a signed quantity that was ours until now."""
        self._converted.pop(netting_key, None)
        self._add_accounted(netting_key, quantity)

    def mark_unsettled(self, netting_key: NettingKey, mono: int, text: str) -> None:
        """Note an external event at `mono` (monotonic ns) under a netting key where we trade.

        Only a snapshot requested after it shows what is ours there. An event read from a snapshot counts as from before
        that snapshot, so the snapshot itself may settle it.
        """
        self._unsettled[netting_key] = mono if self._asked_mono is None else self._asked_mono - 1, text

    def begin_snapshot(self, asked_at: int) -> None:
        """Treat the events from here on as read from the snapshot requested at `asked_at` (monotonic ns)."""
        self._asked_mono = asked_at

    def apply_snapshot(self, snapshot: AccountSnapshot, own: OwnQuantities) -> None:
        """Set the external quantities by the venue's net quantities. A key that the snapshot hides stays as it was.

        A netting key is hidden if one of its rows cannot be read, or if it has no position row although the snapshot
        lists a fill of today under it.
        """
        net = snapshot.net_quantities()
        unread = {row.symbol for row in snapshot.unread if row.book == "holdings"}
        silent = {e.netting_key for e in snapshot.fills} - net.keys()
        for line in net.keys() | own.held.keys() | self.quantities.keys():
            is_hidden = line[2] == DELIVERY and unread & {"", line[1]}
            if line not in silent and not snapshot.unknown_position_reason(line[1]) and not is_hidden:
                known = self.quantities.get(line, ZERO)
                _put(self.quantities, line, own.external_quantity(line, net.get(line, ZERO), known))
        self._prices = {row.netting_key: row.average_price for row in snapshot.holdings}
        self._prices |= {row.netting_key: row.average_price for row in snapshot.positions}
        self._asked_mono = None

    # ---- what is attributed

    def attribute_rests(
        self,
        own: OwnQuantities,
        *,
        asked_at: int,
        symbols: Collection[str],
        is_traded: Callable[[NettingKey], bool],
        is_over: Callable[[NettingKey], bool] = lambda _: False,
    ) -> None:
        """Account for the rests of a snapshot, as far as they can be explained; `apply_snapshot` comes first.

        - A fill of an external order is accounted for when it is applied.
        - A quantity that one netting key lost and others of its symbol won, in two polls in a row, was converted.
        - Under a netting key where we do not trade (`is_traded`), everything is external.
        - In the first poll of a process, a rest is external unless our position has lost it. If other products of its
          symbol won what our position lost, it was converted before this process started.
        - What our position lost under a netting key is gone if the position is from an earlier day (`is_over`).

        What remains is a difference, see `unexplained_rests`. `asked_at` is the monotonic ns at which the snapshot was
        requested, `symbols` are those of the universe.
        """
        unconfirmed = self._unconfirmed_keys(own, symbols, is_over)
        before, self._unconfirmed = self._unconfirmed, {}
        for symbol_key, rests in unconfirmed.items():
            last = before.get(symbol_key)
            poll_count = last[1] + 1 if last is not None and last[0] == rests else 1
            if poll_count >= CONFIRMING_POLLS:
                self._accept_confirmed(rests, own, is_traded)
            if rests:
                self._unconfirmed[symbol_key] = rests, poll_count
        self._unsettled = {
            line: event for line, event in self._unsettled.items() if asked_at <= event[0] or self._rest(line)
        }

    def _unconfirmed_keys(
        self, own: OwnQuantities, symbols: Collection[str], is_over: Callable[[NettingKey], bool]
    ) -> dict[tuple[str, str], dict[NettingKey, Decimal]]:
        # Return (exchange, symbol) -> netting key -> rest that another poll must confirm; account for all other rests.
        unconfirmed: dict[tuple[str, str], dict[NettingKey, Decimal]] = {}
        lines = self.quantities.keys() | self._accounted.keys()
        of_symbol: dict[tuple[str, str], Decimal] = {}
        for line in lines:
            of_symbol[line[:2]] = of_symbol.get(line[:2], ZERO) + self._rest(line)
        for line in lines:
            rest, held = self._rest(line), own.held.get(line, ZERO)
            # Lost: against our position, and not balanced by other products of the symbol, as a conversion would be.
            is_lost = rest * held < 0 and of_symbol[line[:2]] * held < 0
            is_gone = rest * held < 0 and is_over(line)
            if rest and line[1] in symbols and (self._polls or is_lost) and not is_gone:
                unconfirmed.setdefault(line[:2], {})[line] = rest
                continue
            if rest and not self._polls:
                self._heard_since[line] = ZERO
            self._accept(line, held)
        self._polls += 1
        if self._polls > SETTLED_AFTER_POLLS:
            self._heard_since.clear()
        return unconfirmed

    def _accept_confirmed(
        self, rests: dict[NettingKey, Decimal], own: OwnQuantities, is_traded: Callable[[NettingKey], bool]
    ) -> None:
        # Two polls agree on these rests of a symbol. Account for those that can be explained, and remove them.
        if not sum(rests.values(), ZERO):  # one netting key lost what others won: a conversion
            for line in rests:
                self._accept(line, own.held.get(line, ZERO))
            rests.clear()
            return
        for line in list(rests):
            is_ours = is_traded(line) and line in self.quantities
            if is_ours and not self._is_counted_twice(line, rests[line]) and not self._first_poll_erred(line, own):
                continue
            self._accept(line)
            del rests[line]

    def _is_counted_twice(self, line: NettingKey, rest: Decimal) -> bool:
        # The first poll included a fill that was reported after it, so the fill is accounted for twice.
        return bool(rest) and rest == -self._heard_since.get(line, ZERO)

    def _first_poll_erred(self, line: NettingKey, own: OwnQuantities) -> bool:
        # A rest of the first poll was accounted for on that one answer. Two later polls show a smaller external
        # quantity under a netting key where nothing is ours, so the first answer was wrong.
        rest, accounted = self._rest(line), self._accounted.get(line, ZERO)
        return (
            line in self._heard_since
            and not own.held.get(line)
            and rest * accounted < 0
            and abs(rest) <= abs(accounted)
        )

    def unexplained_rests(self) -> dict[NettingKey, Decimal]:
        """Return netting key -> signed quantity that is not ours and not accounted for, where two polls agree on it."""
        return {
            line: rest
            for rests, poll_count in self._unconfirmed.values()
            for line, rest in rests.items()
            if poll_count >= CONFIRMING_POLLS and line in self.quantities
        }

    def unsettled_symbols(self) -> dict[str, str]:
        """Return symbol -> text of the last external event there that no snapshot has accounted for yet."""
        return {line[1]: text for line, (_, text) in self._unsettled.items()}

    @property
    def needs_poll(self) -> bool:
        """Return whether another poll may settle what happened under a netting key where we trade."""
        return bool(self._unsettled) or any(
            poll_count < CONFIRMING_POLLS for _, poll_count in self._unconfirmed.values()
        )

    def lost_quantity(self, position: Position) -> Decimal:
        """Return the signed part of our position that others closed or converted, as far as accounted for."""
        line, held = position.key.netting_key, position.quantity
        # While a rest is unexplained, nothing is released.
        if self._rest(line):
            return ZERO
        # A converted part is lost as a whole: what others bought beside it is theirs.
        sign = 1 if held > 0 else -1
        taken = max(-self._accounted.get(line, ZERO) * sign, self._converted.get(line, ZERO) * sign)
        return min(taken, held * sign) * sign if taken > 0 else ZERO

    def own_quantity(self, netting_key: NettingKey, net: Mapping[NettingKey, Decimal]) -> Decimal:
        """Return the part of `net`, the venue's quantities by netting key, that is ours under `netting_key`.

        The part is what remains without the accounted external quantity.
        """
        return net.get(netting_key, ZERO) - self._accounted.get(netting_key, ZERO)

    # ---- what the desk asks

    def closable_quantity(self, position: Position, *, is_sure: bool = False) -> Decimal:
        """Return the signed quantity that we may close: ours, as far as the venue holds it on the same side.

        With `is_sure` a rest that only one poll has shown does not count, because that poll may be out of date. A
        conversion counts even then.
        """
        held, line = position.quantity, position.key.netting_key
        external, rest = self.quantities.get(line, ZERO), self._rest(line)
        if is_sure:
            rests, poll_count = self._unconfirmed.get(line[:2], ({}, CONFIRMING_POLLS))
            unsure = rests.get(line, ZERO) if poll_count < CONFIRMING_POLLS and sum(rests.values(), ZERO) else ZERO
            external, rest = external - unsure, rest - unsure
        # What others hold on our side does not replace what our position lost, so the smaller of the two counts: the
        # whole external quantity, or its unexplained rest.
        free = held + (min(external, rest) if held > 0 else max(external, rest))
        side = Side.SELL if held > 0 else Side.BUY
        for order in self.exposure.counted_orders(line[1]):
            if order.request.side is side and order_netting_key(order) == line:
                free += order.reserved_quantity(self.exposure.mono) * side.sign
        return max(min(held, free), ZERO) if held > 0 else min(max(held, free), ZERO)

    def bounds_symbol(self, symbol: str) -> bool:
        """Return whether external orders or quantities may limit what we do in a symbol."""
        return self.exposure.has_orders(symbol) or any(line[1] == symbol for line in self.quantities)

    def as_messages(self, venue: str) -> tuple[ExternalPosition, ...]:
        """Return the external positions as messages, in the order of their netting keys."""
        return tuple(
            ExternalPosition(PositionKey(venue, *line, OWNER_EXTERNAL), quantity, self._prices.get(line, ZERO))
            for line, quantity in sorted(self.quantities.items())
        )

    def __bool__(self) -> bool:
        """Return whether there is an external quantity, or an external order that is live or reserved."""
        return bool(self.quantities or self.exposure.working or self.exposure.reserved)

    def _add_accounted(self, line: NettingKey, quantity: Decimal) -> None:
        for quantities in (self.quantities, self._accounted):
            _put(quantities, line, quantities.get(line, ZERO) + quantity)

    def _rest(self, line: NettingKey) -> Decimal:
        return self.quantities.get(line, ZERO) - self._accounted.get(line, ZERO)

    def _accept(self, line: NettingKey, held: Decimal = ZERO) -> None:
        # Account for the rest of a netting key. If it is against `held`, our quantity there, that part was converted.
        if (rest := self._rest(line)) * held < 0:
            self._converted[line] = min(-rest, held, key=abs)
        _put(self._accounted, line, self.quantities.get(line, ZERO))


def order_netting_key(order: Order) -> NettingKey:
    """Return the netting key that an order trades under."""
    request = order.request
    return request.exchange, request.symbol, request.product


def _put(quantities: dict[NettingKey, Decimal], line: NettingKey, quantity: Decimal) -> None:
    # A quantity of 0 has no entry.
    if quantity:
        quantities[line] = quantity
    else:
        quantities.pop(line, None)
