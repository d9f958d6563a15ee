"""The records of a journal, indexed once for all promises: orders, requests and fills by their ids."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cached_property
from typing import Any

from tradebot.checker.desk_inputs import DeskInput, read_desk_inputs
from tradebot.checker.evidence import Evidence
from tradebot.checker.order_history import CheckedOrder, orders_from_rows

OUR_TAG = re.compile(r"T[0-9a-z]{8}\d{5,}")  # a tag made by any run of this program
ENDED_STATUSES = frozenset({"COMPLETE", "CANCELLED", "REJECTED"})
FILLS_PATH = "/trades"  # path of the list of the day's fills
SETTLE_NS = 10_000_000_000  # market time that a fill may take to appear in the venue's lists

LogLine = tuple[int, dict[str, Any]]


class RunRecords:
    """The journal's orders by id, and the exchange's requests, orders and fills by the same ids."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence, self.journal, self.log = evidence, evidence.journal, evidence.log
        self.orders, self.orphan_rows = orders_from_rows(self.journal)
        self.orders_by_venue_id = {v: order for order in self.orders.values() for v in order.venue_ids}

    @property
    def sent_orders(self) -> list[CheckedOrder]:
        """Our orders that have a SENDING row."""
        return [order for order in self.orders.values() if order.sending_rows and not order.is_external]

    @cached_property
    def traded_symbols(self) -> frozenset[str]:
        """All symbols of the universes in this journal."""
        listed = (row.body.get("instruments", ()) for row in self.journal.rows_of_kinds("universe"))
        return frozenset(i["symbol"] for instruments in listed for i in instruments)

    @cached_property
    def desk_inputs(self) -> dict[str, list[DeskInput]]:
        """Run -> the market data its desk received, for runs with an input log."""
        return read_desk_inputs(self.journal)

    def is_ours(self, tag: str) -> bool:
        """Return whether a tag at the exchange has the form of our order ids."""
        return bool(tag) and (
            any(tag.startswith(run) for run in self.journal.run_ids) or OUR_TAG.fullmatch(tag) is not None
        )

    @cached_property
    def exit_tags(self) -> frozenset[str]:
        """The tags of our exits and resting stops."""
        return frozenset(order.order_id for order in self.orders.values() if order.is_exit)

    @cached_property
    def create_requests(self) -> dict[str, list[LogLine]]:
        """Tag -> our create requests that reached the exchange's socket."""
        found: dict[str, list[LogLine]] = defaultdict(list)
        for number, line in self.log.create_lines() if self.log else ():
            if self.is_ours(str(line["params"].get("tag", ""))):
                found[str(line["params"]["tag"])].append((number, line))
        return found

    @cached_property
    def modify_requests(self) -> list[tuple[list[CheckedOrder], list[LogLine]]]:
        """Orders, with the modify requests for them that reached the exchange's socket.

        Each group holds one order. Orders that share an id at the venue form one group, since the request may mean any.
        """
        asked: dict[str, list[LogLine]] = defaultdict(list)
        for number, line in self.log.lines_of_kind("request") if self.log else ():
            if line["method"] == "PUT":
                asked[str(line["path"]).rpartition("/")[2]].append((number, line))
        found: list[tuple[list[CheckedOrder], list[LogLine]]] = []
        for group in {id(group): group for v, group in self._orders_by_meant_id.items() if v in asked}.values():
            ids = {v for order in group for v in order.venue_ids}
            found.append((group, sorted((line for v in ids for line in asked[v]), key=lambda line: line[0])))
        return found

    @property
    def _orders_by_meant_id(self) -> dict[str, list[CheckedOrder]]:
        # Order id at the venue -> the orders it may mean. Orders that share an id share the list.
        groups: dict[str, list[CheckedOrder]] = {}
        for order in self.orders.values():
            group = [order]
            for other in {id(known): known for v in order.venue_ids if (known := groups.get(v))}.values():
                group += other
            groups |= {v: group for member in group for v in member.venue_ids}
        return groups

    @cached_property
    def exchange_orders(self) -> dict[str, list[LogLine]]:
        """Tag -> the first version of each of our orders at the exchange."""
        found: dict[str, list[LogLine]] = defaultdict(list)
        for versions in self.log.order_versions().values() if self.log else ():
            tag = str(versions[0][1]["ticket"]["tag"])
            if self.is_ours(tag):
                found[tag].append(versions[0])
        return found

    @cached_property
    def last_versions(self) -> dict[str, LogLine]:
        """The exchange's order id -> its last version."""
        return {order_id: versions[-1] for order_id, versions in self.log.order_versions().items()} if self.log else {}

    @cached_property
    def exchange_fills(self) -> list[LogLine]:
        """The exchange's fills of this journal's symbols, from the first row of the journal on.

        Fills that the daemon could not see are left out: it did not read the list of fills before the next day.
        """
        began = self.journal.rows[0].at if self.journal.rows else 0
        unshown = self._unlisted_fill_lines
        return [
            (number, fill)
            for number, fill in (self.log.lines_of_kind("fill") if self.log else ())
            if (fill["symbol"] in self.traded_symbols or not self.traded_symbols)
            and (number not in unshown or (fill["exchange"], fill["trade_id"]) in self.first_booked_seqs)
            and (fill["traded_at"] >= began or fill["order_id"] in self.orders_by_venue_id)
        ]

    @cached_property
    def _unlisted_fill_lines(self) -> set[int]:
        # Lines of fills on a past day after which the list of fills was not read on that day.
        found, waiting, opened = set[int](), list[int](), 0
        for number, line in self.log.lines if self.log else ():
            kind = line.get("kind")
            if kind == "fill":
                waiting.append(number)
            elif kind == "request" and line["method"] == "GET" and str(line["path"]).startswith(FILLS_PATH):
                waiting = waiting if line["status"] != 200 else []
            elif kind == "session":
                opens_at = int(line.get("opens_at", 0))
                found |= set(waiting) if 0 < opened < opens_at else set()
                waiting, opened = [], opens_at
        return found

    @cached_property
    def unlisted_order_ids(self) -> set[str]:
        """Exchange order ids whose fills were not read before their day was over."""
        return {
            f["order_id"]
            for number, f in (self.log.lines_of_kind("fill") if self.log else ())
            if number in self._unlisted_fill_lines
        }

    @cached_property
    def journal_fills(self) -> dict[tuple[str, str], dict[str, Any]]:
        """(exchange, execution id) -> the fill as booked in the journal, with the `seq` of its row."""
        return {
            (f["exchange"], f["execution_id"]): f | {"seq": row.seq}
            for order in self.orders.values()
            for row in order.fills
            for f in (row.body["execution"],)
        }

    @cached_property
    def first_booked_seqs(self) -> dict[tuple[str, str], int]:
        """(exchange, execution id) -> seq of the first row that booked the fill, also with figures corrected later."""
        found: dict[tuple[str, str], int] = {}
        for order in self.orders.values():
            for key, seq in order.fills.first_seqs.items():
                found[key] = min(seq, found.get(key, seq))
        return found

    @cached_property
    def last_reconciled_at(self) -> int:
        """Market time (ns) of the last full comparison with the venue in this journal; 0 without one."""
        return max((row.at for row in self.journal.rows_of_kinds("reconciled")), default=0)
