"""Random days around one position with a resting stop: fills, triggers, cancels, the owner, crashes, in any order.

Each step is drawn from a seed. After each one the promise is judged at the venue, which knows nothing of the desk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeVar

import numpy as np

from tests.trading.desk.desk_rig import DAY, OPEN, DeskRig
from tests.trading.desk.venue_model import Kept, VenueModel
from tradebot.clock import SECOND
from tradebot.domain.commands import CommandVerb
from tradebot.domain.messages import (
    Action,
    Command,
    ReleasedPosition,
    RequestResult,
    SessionBegins,
    TrailingStopPrices,
)
from tradebot.domain.order import Order, OrderEvent, OrderEventType, Side, VenueOrderStatus
from tradebot.domain.order_reducer import apply_event, open_order
from tradebot.journal.recovery import _undone
from tradebot.trading.desk.decisions import DeskOutput
from tradebot.trading.desk.settings import RestingSettings

D = Decimal
Thing = TypeVar("Thing")
CALM_S = 14.0  # wall seconds in which everything is delivered and polled: the longest repeat of a cancel is ten


class DiedError(Exception):
    """The daemon died after its rows were on disk and before its requests left."""


class CrashingVenue(VenueModel):
    """A venue whose desk may die: a new one is built from the journal, and takes over."""

    def __init__(self, rig: DeskRig, *, product: str = "MIS") -> None:
        super().__init__(rig, product=product)
        self.journal: list[OrderEvent | ReleasedPosition] = []
        self.best: dict[str, Decimal] = {}
        self.deaths = 0
        self.dies_before_sending = False
        self.settings: dict[str, object] = {}

    def take(self, outputs: list[DeskOutput]) -> list[DeskOutput]:
        """Journal the outputs, then carry out the requests in them, unless the desk dies in between."""
        for output in outputs:
            if isinstance(output, OrderEvent | ReleasedPosition):
                self.journal.append(output)
            elif isinstance(output, TrailingStopPrices):
                self.best |= output.best_prices
        if self.dies_before_sending:
            self.dies_before_sending = False
            raise DiedError
        return super().take(outputs)

    def _result(self, order_id: str, event_type: OrderEventType) -> None:
        event = OrderEvent(order_id=order_id, type=event_type, at=self.rig.at, mono=self.rig.mono)
        self.journal.append(event)
        self.take(self.rig.desk.apply_message(RequestResult(event=event)))

    def restart(self) -> None:
        """Let the desk die, with all that was on its way to it, and a new one begin."""
        self.deaths += 1
        old, self.way = self.rig, []
        rig = DeskRig(**self.settings)
        rig.desk.placement.requests._id_prefix = f"T{self.deaths}X"
        rig.trades, rig.at, rig.mono = old.trades, old.at, old.mono
        session = SessionBegins(
            opens_at=OPEN, closes_at=OPEN + DAY // 2, entries_until=OPEN + DAY // 3, square_off_at=OPEN + DAY // 2
        )
        rig.desk.apply_message(session)
        orders: dict[str, Order] = {}
        for event in self.journal:
            if isinstance(event, OrderEvent):
                order = orders.get(event.order_id)
                orders[event.order_id] = open_order(event) if order is None else apply_event(order, event)
        self.journal += _undone(iter(orders.values()), rig.at)
        rig.desk.recover_state(self.journal, adopted=(), halted="", opens_at=OPEN, best=self.best)
        rig.tick(0)
        self.rig = rig
        self.take(rig.desk.adopt_snapshot(self.snapshot()))
        self.take(rig.quote("AAA", str(self.price)))


class Dice:
    """Random choices of one seed."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def random(self) -> float:
        return float(self._generator.random())

    def randrange(self, stop: int) -> int:
        return int(self._generator.integers(stop))

    def choice(self, things: Sequence[Thing]) -> Thing:
        return things[self.randrange(len(things))]


class StopDay:
    """One random day; `run` raises AssertionError with the seed and the steps where a promise is broken."""

    def __init__(self, seed: int, *, product: str = "MIS", gtt: str = "off") -> None:
        self._random = Dice(seed)
        draw = self._random
        resting = RestingSettings(
            strategies=("s",),
            stop_market=draw.choice([(("NSE", "equity"),), ()]),
            on_refusal=draw.choice(["hold", "exit"]),
            min_interval_s=draw.choice([0.2, 1.0, 5.0]),
            min_step_pct=draw.choice([D(0), D("0.1"), D("0.5")]),
            most_changes=draw.choice([2, 5, 20]),
            gtt=gtt,
        )
        settings: dict[str, object] = {
            "resting": resting,
            "product": product,
            "chase": draw.choice(["cancel", "modify"]),
        }
        self.venue = CrashingVenue(DeskRig(**settings), product=product)
        self.venue.settings = settings
        self.steps: list[str] = [f"seed {seed}"]
        self._has_owner = draw.random() < 0.4
        self._owner_sold = D(0)

    def run(self, steps: int = 60) -> None:
        """Play the day, and judge it after each step and at its end."""
        actions: list[tuple[str, int, Callable[[], object]]] = [
            ("time", 20, self._pass_time),
            ("deliver", 25, self._deliver),
            ("market", 15, self._market),
            ("trade", 14, self._trade),
            ("poll", 6, self.venue.poll),
            ("enter", 8, lambda: self._signal(Action.ENTER_LONG)),
            ("exit", 2, lambda: self._signal(Action.EXIT_LONG)),
            ("owner sells", 2 if self._has_owner else 0, self._owner_sells),
            ("owner buys", 1 if self._has_owner else 0, lambda: self.venue.owner_trades(Side.BUY, 3)),
            ("cancelled by others", 2, self._cancel_one),
            ("fill after cancel", 2, self._fill_after_cancel),
            ("answers lost", 1, lambda: setattr(self.venue, "loses_answers", not self.venue.loses_answers)),
            ("stops refused", 1, lambda: setattr(self.venue, "refuses", "" if self.venue.refuses else "not today")),
            ("crash", 2, self.venue.restart),
            ("crash before sending", 1, lambda: setattr(self.venue, "dies_before_sending", True)),
            ("flatten", 1, self._flatten),
            ("calm", 3, self._calm),
        ]
        names = [name for name, weight, _ in actions for _ in range(weight)]
        by_name = {name: act for name, _, act in actions}
        for _ in range(steps):
            name = self._random.choice(names)
            self.steps.append(name)
            try:
                by_name[name]()
            except DiedError:
                self.venue.restart()
            self._judge_step()
        self._calm()

    # ---- what may happen

    def _pass_time(self) -> None:
        # A report is late by a second and a half at most: the desk waits for two.
        for _ in range(self._random.choice([1, 2, 6, 20])):
            self.venue.tick(0.15)
            due = self.venue.rig.mono - 1.5 * SECOND
            while late := [i for i, sent in enumerate(self.venue.way) if sent.sent_mono < due]:
                self.venue.deliver(late[0])

    def _deliver(self) -> None:
        # A stream may reorder and repeat.
        if self.venue.way:
            index = self._random.randrange(len(self.venue.way)) if self._random.random() < 0.5 else 0
            if self._random.random() < 0.1:
                self.venue.way.append(self.venue.way[index])
            self.venue.deliver(index)

    def _market(self) -> None:
        self.venue.move(f"{self.venue.price + self._random.choice([-12, -6, -2, -1, 1, 2, 6, 12])}")

    def _trade(self) -> None:
        if working := [order for order in self.venue.orders.values() if self._may_fill(order)]:
            self.venue.trade(self._random.choice(working), D(self._random.choice([1, 2, 5, 10])))

    def _fill_after_cancel(self) -> None:
        # Up to a second and a half after a cancel: the desk waits for two.
        now = self.venue.rig.mono
        ended = [
            order
            for order in self.venue.orders.values()
            if order.ended_mono and now - order.ended_mono < 1.5 * SECOND and order.request.gtt is None
        ]
        if ended:
            self.venue.fill_after_cancel(self._random.choice(ended), D(self._random.choice([1, 5])))

    def _may_fill(self, order: Kept) -> bool:
        return order.status is VenueOrderStatus.OPEN and not order.placed_id

    def _signal(self, action: Action) -> None:
        rig, price = self.venue.rig, float(self.venue.price)
        levels = self._random.choice(
            [
                {"stop_loss": price - 10},
                {"trail_by": 8.0},
                {"stop_loss": price - 9, "target": price + 9},
                {"stop_loss": price - 15, "trail_by": 5.0, "target": price + 30},
            ]
        )
        number = len(self.steps)
        fields = levels if action.is_entry else {}
        self.venue.take(rig.signal("AAA", action, n=number, **fields))

    def _owner_sells(self) -> None:
        quantity = min(self._random.choice([1, 3, 10]), int(self.venue.held))
        if quantity > 0:
            self._owner_sold += quantity
            self.venue.owner_trades(Side.SELL, quantity)

    def _cancel_one(self) -> None:
        if working := [order for order in self.venue.orders.values() if order.rest and order.is_tagged]:
            self.venue.end(self._random.choice(working))

    def _flatten(self) -> None:
        self.venue.take(
            self.venue.rig.desk.apply_message(
                Command(verb=CommandVerb.FLATTEN, reason="drawn", id=f"f{len(self.steps)}")
            )
        )
        self.venue.take(self.venue.rig.desk.apply_message(Command(verb=CommandVerb.RESUME)))

    def _calm(self) -> None:
        self.venue.loses_answers, self.venue.refuses, self.venue.dies_before_sending = False, "", False
        self.venue.take(self.venue.rig.desk.apply_message(Command(verb=CommandVerb.RESUME)))
        self.venue.run(CALM_S)
        self._owner_sold = D(0)
        self._judge_step()
        self._judge_calm()

    # ---- the promises

    def _judge_step(self) -> None:
        venue = self.venue
        # What the owner sold and the desk cannot know yet is left out: no one can cancel before hearing of it.
        assert venue.sellable <= max(venue.held + self._owner_sold, D(0)), self._story("more can be sold than is held")
        if not self._has_owner:
            assert venue.held >= 0, self._story("the account is short")

    def _judge_calm(self) -> None:
        venue, desk = self.venue, self.venue.rig.desk
        position = desk.book.positions.open.get("AAA")
        if position is None or position.quantity <= 0 or "AAA" in desk.book.pending_exits.requested:
            return
        view = desk.rules.resting_stops.views()
        covered = sum((row.resting for row in view if row.symbol == "AAA"), D(0))
        is_alarmed = any("no resting stop" in text for text in venue.incidents)
        assert covered >= position.quantity or is_alarmed, self._story(f"{covered} of {position.quantity} are covered")

    def _story(self, text: str) -> str:
        orders = [
            f"{o.venue_order_id} {o.request.order_id} {o.request.side} {o.request.quantity} {o.request.purpose}"
            f" {o.status} filled {o.filled} trigger {o.request.trigger_price}"
            for o in self.venue.orders.values()
        ]
        return "\n".join((text, " > ".join(self.steps), f"held {self.venue.held}", *orders, *self.venue.incidents[-3:]))
