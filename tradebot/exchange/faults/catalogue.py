"""The catalogue: every fault that the exchange can commit, where it strikes and what it does. Data only.

An id such as F02 names the entry in the project's fault list that a fault rehearses.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from tradebot.domain.message import Message
from tradebot.exchange.faults.points import BOOK_POINTS, READ_POINTS, REST_POINTS, WRITE_POINTS
from tradebot.markets.market import HOME_MARKET


class FaultStage(StrEnum):
    """The moment of a request, or the object, at which a fault acts."""

    BEFORE = "before"  # the request is not carried out
    AFTER = "after"  # it is carried out; the answer is lost, late, broken or wrong
    FALSE_DATA = "lie"  # it is carried out; the data of the answer are changed
    CONNECT = "connect"
    FRAME = "frame"
    ORDER_FRAME = "order frame"
    ACCOUNT = "account"
    PERSON = "person"  # acts in the account, as its users may; nothing is broken
    MACHINE = "machine"  # acts on the daemon's process or its host; only a simulation can


class FaultKind(Message, frozen=True):
    """One kind of fault.

    `points` are where it may strike. `in_swarm` is False where only a person can repair what follows.
    """

    name: str
    ids: str
    stage: FaultStage
    points: tuple[str, ...]
    description: str
    duration_s: float = 0.0  # wall seconds for which the fault continues after its strike
    in_swarm: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the kind as a JSON object."""
        return {
            "name": self.name,
            "ids": self.ids.split(),
            "strikes": list(self.points),
            "does": self.description,
            "lasts_s": self.duration_s or None,
            "in_swarm": self.in_swarm,
        }


CURRENCY = HOME_MARKET.currency_word
NAMED_ONLY = "named"  # marks a kind that strikes only when it is named
# Stage, points, then the kinds: name, ids, description, and optionally the duration in s and NAMED_ONLY.
FAULT_TABLE: tuple[tuple[FaultStage, tuple[str, ...] | str, tuple[tuple[Any, ...], ...]], ...] = (
    (
        FaultStage.BEFORE,
        REST_POINTS,
        (
            ("lost-before", "F01 F16", "The connection is reset without an answer and nothing happens."),
            ("dropped-before", "F01 F16", "The connection is closed without an answer and nothing happens."),
            ("hang-before", "F01 F64", "The request is never answered and nothing happens."),
            ("unavailable", "F03 F47", "503 with a maintenance page; nothing happens."),
            ("429", "F45 F46", "429 with Retry-After; nothing happens."),
            ("firewall-403", "F45", "403 with the page of a firewall; nothing happens."),
            ("redirect-307", "F16", "307 to the same route; whoever follows it sends the request twice."),
        ),
    ),
    (
        FaultStage.BEFORE,
        WRITE_POINTS,
        (
            ("unknown-refusal-text", "F08", "400 with a text and an error type never seen before; nothing happens."),
            ("lost-timeout", "F01 F04", "408 and the request was never taken."),
        ),
    ),
    (
        FaultStage.BEFORE,
        "orders.create",
        (
            ("definite-reject", "F07 F50", "400 MarginException; nothing happens."),
            ("closed-market-reject", "F07 F49", "400 OrderException: the market is closed; nothing happens."),
            ("address-refused", "F51", "403: the address is not registered; nothing happens.", NAMED_ONLY),
            ("late-accept", "F12", "504 at once; the order is held inside the broker and accepted seconds later.", 6.0),
        ),
    ),
    (
        FaultStage.BEFORE,
        "history",
        (("no-right", "F42", "403 PermissionException: the plan has no right to past bars.", NAMED_ONLY),),
    ),
    (
        FaultStage.BEFORE,
        "orders.cancel",
        (("cancel-unknown", "F17", "The cancel is refused as if the order did not exist, while it works."),),
    ),
    (
        FaultStage.AFTER,
        REST_POINTS,
        (
            ("accept-then-reset", "F02 F62", "Carried out, then the connection is reset instead of an answer."),
            ("accept-then-close", "F02 F16", "Carried out, then the connection is closed without a byte."),
            ("accept-then-hang", "F02 F18 F63", "Carried out and never answered."),
            ("accept-then-5xx", "F03 F17 F18", "Carried out, then 500, 502, 503 or 504 with a page of HTML."),
            ("half-json", "F05", "Carried out; 200 with the first half of the JSON."),
            ("html", "F05 F47", "Carried out; 200 with a page of HTML."),
            ("empty-body", "F05", "Carried out; 200 without a body."),
            ("wrong-type", "F05", "Carried out; 200 with an envelope whose data is a number."),
            ("null-data", "F05 F39", "Carried out; 200 with an envelope whose data is null, as after a night."),
            ("wrong-charset", "F05", "Carried out; 200 with the JSON in UTF-16."),
            ("deep-json", "F05 F104", "Carried out; 200 with a hundred thousand nested arrays."),
            ("reset-at-byte", "F62", "Carried out; the connection is reset after the first bytes of the answer."),
            ("slow-bytes", "F64", "Carried out; the answer arrives one byte at a time.", 8.0),
            ("slow-reply", "F10 F64", "Carried out; the answer comes up to five seconds late.", 5.0),
        ),
    ),
    (
        FaultStage.AFTER,
        WRITE_POINTS,
        (
            ("408-after-accept", "F04 F17", "Carried out, then 408."),
            ("429-after-accept", "F04", "Carried out, then 429, as a proxy would say it.", NAMED_ONLY),
            ("error-200", "F05", "Carried out, then 200 with an envelope of status error."),
            ("wrong-order-id", "F06", "Carried out; the answer names another order."),
            ("accept-then-unknown-text", "F15 F08", "Carried out, then 400 with an error type never seen before."),
        ),
    ),
    (
        FaultStage.AFTER,
        "orders.create",
        (
            ("fill-before-reply", "F11", "The answer is held back until the order has ended.", 3.0),
            ("refuse-then-fill", "F28", "Accepted and live, while the answer refuses it for good.", NAMED_ONLY),
        ),
    ),
    (
        FaultStage.FALSE_DATA,
        BOOK_POINTS,
        (
            ("foreign-rows", "F33 F34", "The book holds one odd row of somebody else's."),
            ("huge-row", "F33 F104", "The book holds a row with a name of a megabyte and control characters."),
            ("repeated-rows", "F20 F40", "Every row of the book comes twice."),
            ("reordered-rows", "F40", "The rows of the book come in reverse order."),
            ("odd-fields", "F33", "Fields that nobody needs are null or missing, and new ones are there."),
        ),
    ),
    (
        FaultStage.FALSE_DATA,
        "orders.list",
        (
            ("other-words", "F33", "Statuses are written in other letters or with spaces."),
            ("rounded-price", "F33", "Prices of orders are rounded."),
            ("broken-row", "F33", "The newest order is listed without one of its fields."),
            ("empty-orders", "F39 F44", "The list of orders is empty."),
            ("stale-orders", "F40", "The list of orders of the query before."),
            ("truncated-list", "F40", "The newest half of the orders is missing."),
            ("shuffled-list", "F40", "The orders come in reverse order."),
            ("text-numbers", "F33", "Quantities and prices are strings."),
            ("rewritten-order", "F14", "Market orders are listed as limit orders with a price."),
        ),
    ),
    (
        FaultStage.FALSE_DATA,
        "trades",
        (
            ("empty-trades", "F31 F39", "The list of fills is empty."),
            ("lagging-trades", "F31", "The newest fill is missing."),
            ("duplicate-trades", "F20", "Every fill is listed twice with its id."),
            ("changed-trade", "F21", "The newest fill is listed at another price.", NAMED_ONLY),
            ("twin-trade", "F22", "The newest fill is listed a second time under another id.", NAMED_ONLY),
        ),
    ),
    (
        FaultStage.FALSE_DATA,
        "positions",
        (
            ("empty-positions", "F39", "The account looks flat."),
            ("stale-positions", "F38", "The positions of the query before."),
        ),
    ),
    (FaultStage.FALSE_DATA, "margins", (("zero-cash", "F50", "The account looks empty."),)),
    (
        FaultStage.FALSE_DATA,
        "quotes",
        (
            ("zero-rest-quotes", "F55", "Last prices over REST are 0."),
            ("missing-quotes", "F52", "Half of the instruments asked for are missing."),
        ),
    ),
    (
        FaultStage.FALSE_DATA,
        "history",
        (
            ("missing-candles", "F57", "Every third candle is missing."),
            ("duplicate-candles", "F57", "Every candle comes twice."),
            ("no-candles", "F57", "There are no candles."),
        ),
    ),
    (
        FaultStage.BEFORE,
        REST_POINTS,
        (("token-death", "F41 F42", "The access token is dead for a while: 403, streams end.", 5.0, NAMED_ONLY),),
    ),
    (
        FaultStage.BEFORE,
        (*WRITE_POINTS, *READ_POINTS),  # not the login itself, which is the way out
        (("token-replaced", "F41", "Another login ends the access token for good: 403, no stream.", NAMED_ONLY),),
    ),
    (
        FaultStage.CONNECT,
        "ticker.connect",
        (
            ("connect-503", "F67", "The stream is refused with 503."),
            ("connect-403", "F45 F67", "The stream is refused with 403 and the page of a firewall."),
            ("connect-429", "F45 F60", "The stream is refused with 429."),
            ("accept-then-drop", "F67", "The stream is accepted and closed at once."),
            ("connect-hang", "F63", "The handshake of the stream is never answered.", 15.0),
            ("deaf-connection", "F59", "The stream is accepted and only ever sends heartbeats.", 8.0),
            ("replay-orders", "F26", "After the handshake the last orders are told once more."),
        ),
    ),
    (
        FaultStage.FRAME,
        "ticker.frame",
        (
            ("half-open", "F63", "Nothing more is sent for a while, and nothing is closed.", 12.0),
            ("heartbeat-only", "F52", "Heartbeats go on, quotes are withheld.", 6.0),
            ("mute-instrument", "F59 F60", "One instrument is withheld.", 8.0),
            ("frozen-quote", "F53", "One instrument repeats its price with new stamps.", 8.0),
            ("zero-quote", "F55", "One quote says 0."),
            ("negative-quote", "F55", "One quote is below 0."),
            ("tenfold-quote", "F55", "One quote is ten times the price."),
            ("hundredth-quote", "F55", f"One quote is a hundredth of the price, as if {CURRENCY} were paise."),
            ("crossed-quote", "F55", "The best bid of one quote stands above the best ask."),
            ("wrong-token", "F55", "One quote carries the token of another instrument."),
            ("epoch-stamps", "F56", "The stamps of a frame say 1970."),
            ("backward-stamps", "F56", "The stamps of a frame are an hour old."),
            ("future-stamps", "F56", "The stamps of a frame are an hour ahead."),
            ("old-frame", "F54", "An earlier frame is sent once more."),
            ("swapped-frames", "F54", "A frame overtakes the one before it."),
            ("lost-frame", "F54", "A frame is lost."),
            ("burst", "F58", "A frame is sent a hundred times."),
            ("garbage-lengths", "F68", "A packet claims more bytes than the frame has."),
            ("cut-frame", "F68", "A frame ends in the middle of a packet."),
            ("huge-frame", "F68", "A frame of 20 MiB.", NAMED_ONLY),
            ("fragments", "F68", "A frame comes in fragments of one message."),
            ("bad-utf8", "F68", "A text frame that is not UTF-8."),
            ("spoken-words", "F68", "Two text frames, an error and a message of the broker.", NAMED_ONLY),
            ("ping-flood", "F68", "A thousand pings."),
            ("close-1000", "F68", "The stream is closed with 1000."),
            ("close-1001", "F68", "The stream is closed with 1001."),
            ("close-1006", "F68 F25", "The stream is reset."),
            ("close-1012", "F68", "The stream is closed with 1012, service restart."),
            ("close-1013", "F68", "The stream is closed with 1013, try again later."),
        ),
    ),
    (
        FaultStage.ORDER_FRAME,
        "ticker.order",
        (
            ("duplicate-order-frame", "F20", "An order update is sent twice."),
            ("reorder-order-frames", "F23", "An order update is sent after the one that follows it."),
            ("drop-order-frame", "F24", "An order update is lost."),
            ("late-order-frame", "F23 F25", "An order update comes late.", 3.0),
            ("cut-order-frame", "F05 F104", "An order update with half of its JSON."),
            ("reset-at-order", "F25", "The stream is reset instead of an order update."),
        ),
    ),
    (
        FaultStage.ACCOUNT,
        "exchange.enter",
        (
            ("accepted-then-rejected", "F09", "The broker has taken the order, the exchange rejects it."),
            (
                "partial-fill-only",
                "F36",
                "The exchange cancels what is left of the order after its first moments.",
                1.0,
            ),
        ),
    ),
    (
        FaultStage.ACCOUNT,
        "exchange.cancel",
        (
            ("ignored-cancel", "F17", "The cancel is acknowledged and the order works on."),
            ("fill-after-cancel", "F27", "The cancel is confirmed and the order fills afterwards.", 2.0),
        ),
    ),
    (
        FaultStage.ACCOUNT,
        "exchange.minute",
        (
            ("mass-cancel", "F35 F71", "The broker cancels every working order."),
            ("square-off", "F36", "The broker closes every position."),
            ("no-stops", "F50", "The exchange takes no stop order any more, for the rest of the day.", NAMED_ONLY),
            ("stop-cancelled", "F35", "The exchange cancels every stop that waits for its trigger."),
            ("manual-order", "F34", "Somebody buys one share in the broker's app."),
            ("manual-cancel", "F34", "Somebody cancels a working order in the broker's app."),
            ("trading-halt", "F48", "The exchange refuses every new order for a while.", 5.0),
            ("barred-symbol", "F50", "The broker takes no more orders in one instrument.", NAMED_ONLY),
            ("overfill", "F29", "The newest ended order fills one more share than it asked for.", NAMED_ONLY),
        ),
    ),
    (
        FaultStage.PERSON,
        "owner",
        (
            ("owner-buys", "F34", "The owner buys a few shares by phone, in the product we trade."),
            ("owner-buys-delivery", "F34", "The owner buys a few shares by phone for delivery."),
            ("owner-buys-elsewhere", "F34", "The owner buys shares of ours by phone at another exchange."),
            ("owner-sells", "F34", "The owner sells a few shares by phone in the product we trade, held or not."),
            ("owner-sells-holdings", "F34", "The owner sells shares of the demat account by phone."),
            ("owner-exits", "F34 F36", "The owner presses exit on an open position."),
            ("owner-converts", "F34 F38", "The owner converts an open position, or half of it, to delivery."),
            ("owner-cancels", "F34", "The owner cancels a working order by phone."),
        ),
    ),
    (
        FaultStage.PERSON,
        "broker",
        (
            ("risk-reduces", "F36", "The broker's risk desk closes half of an open position by itself."),
            ("risk-squares-off", "F36 F71", "The risk desk cancels all orders and closes every intraday position."),
            ("gtt-disabled", "F35", "The broker disables a GTT order, as after a split or a bonus.", NAMED_ONLY),
            ("gtt-cancelled", "F35", "The broker cancels a GTT order.", NAMED_ONLY),
            ("gtt-rejected", "F35", "The broker rejects a GTT order: its share has left its series.", NAMED_ONLY),
        ),
    ),
    (
        FaultStage.MACHINE,
        "operator",
        (
            ("operator-halts", "F77", "The operator halts everything and resumes some seconds later.", 8.0),
            ("operator-halts-symbol", "F77", "The operator halts a symbol and resumes it some seconds later.", 8.0),
            ("operator-flattens", "F77", "The operator has everything closed and resumes some seconds later.", 8.0),
            ("operator-kills", "F77", "The operator kills from elsewhere and resumes some seconds later.", 8.0),
            ("operator-reloads", "F74", "The operator edits the config some times and reloads each time.", NAMED_ONLY),
            ("operator-restarts", "F74", "The operator stops the daemon and starts it again."),
            ("operator-kill-9", "F75", "The operator kills the daemon's process and starts it again."),
        ),
    ),
    (
        FaultStage.MACHINE,
        "host",
        (
            ("host-clock-forward", "F97", "The wall clock steps an hour forward."),
            ("host-clock-back", "F97", "The wall clock steps an hour back."),
            ("host-disk-full", "F87", "The disk of the journal is full; later its reserve is, too.", 6.0),
            ("host-disk-fails", "F87", "The disk of the journal fails."),
            ("host-disk-slow", "F88", "The disk of the journal is slow for a while.", 3.0),
            ("host-pipe-full", "F96", "Nobody reads what the daemon writes to its log, for a while.", 8.0, NAMED_ONLY),
            ("host-pipe-closed", "F96", "Whoever read what the daemon writes to its log is gone.", NAMED_ONLY),
            ("host-lock-held", "F84", "The daemon is killed, and its lock is held by another for a while.", 3.0),
        ),
    ),
)


def _kinds() -> Iterator[FaultKind]:
    for stage, points, rows in FAULT_TABLE:
        for name, ids, does, *more in rows:
            yield FaultKind(
                name=name,
                ids=ids,
                stage=stage,
                points=(points,) if isinstance(points, str) else points,
                description=does,
                duration_s=next((x for x in more if isinstance(x, float)), 0.0),
                in_swarm=NAMED_ONLY not in more,
            )


FAULT_KINDS = tuple(_kinds())
KINDS_BY_NAME = {kind.name: kind for kind in FAULT_KINDS}
NEEDS_LOGIN = frozenset({"token-replaced"})  # what follows ends only when a person logs in again
