"""The verb `kill`: bars every new order and cancels all working ones, with the daemon alive, hung or dead."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tradebot.cli.control.daemon import daemon_options
from tradebot.cli.shared.options import exchange_option
from tradebot.cli.shared.state_dir import salvaged_settings
from tradebot.config.salvage import SalvagedSettings
from tradebot.daemon.login.saved_login import login_path, read_login
from tradebot.domain.order import VenueOrder
from tradebot.errors import AccessDenied, ConfigError, ExitCode, LoginLost, StateError
from tradebot.printable import make_printable
from tradebot.printing import print_error_line, print_json, print_line
from tradebot.venues import registry
from tradebot.venues.adapter import VenueAccess, VenueAdapter

Say = Callable[[str], None]


@click.command()
@daemon_options
@click.argument("reason", default="killed by the operator")
@exchange_option()
@click.option("--all", "is_all", is_flag=True, help="Bar every daemon of this user that runs.")
@click.option(
    "--cancel-stops", "with_stops", is_flag=True, help="Cancel the stops of open positions and GTT orders too."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was cancelled and kept as JSON, the words to stderr.")
@click.option(
    "--within", "within_s", type=click.FloatRange(1, 600), default=30.0, show_default=True, help="Seconds to try."
)
def kill(
    path: str | None,
    state_dir: Path | None,
    reason: str,
    exchange_file: Path | None,
    is_all: bool,
    with_stops: bool,
    as_json: bool,
    within_s: float,
) -> int:
    """Bar every new order and cancel the working ones at the venue, with the daemon alive, hung or dead.

    Writes the file HALT into the state directory, which a daemon obeys before each send and at start until `resume`,
    then cancels by id and looks until the book is clean. Positions stay, and so do stops that wait for a trigger and
    only close one, and GTT orders, unless --cancel-stops. Credentials: TRADEBOT_KILL__API_KEY and
    TRADEBOT_KILL__ACCESS_TOKEN, else those of the daemon's last login, else those of the venue; a paper run has no
    order there, so only the first cancel beside one. Exit 0: clean; 75: something is left, or a daemon goes on.
    """
    from tradebot.clock import WallClock, format_iso

    say = print_error_line if as_json else print_line
    found = salvaged_settings(path)
    why = f"{make_printable(reason)} (tradebot kill, {format_iso(WallClock().wall_ns())[:19]}Z)"
    is_barred = _bar_all(state_dir or found.state_dir, why, is_named=state_dir is not None, is_all=is_all, say=say)
    outcome, is_done = None, True
    if exchange_file is None and _trades_on_paper(found, state_dir or found.state_dir):
        say(
            "the newest run traded on paper: no order of its own is at the venue, and orders of yours there are left"
            " alone; TRADEBOT_KILL__API_KEY and TRADEBOT_KILL__ACCESS_TOKEN cancel those"
        )
    else:
        try:
            target = _target(found, exchange_file, state_dir or found.state_dir)
        except ConfigError as error:
            print_error_line(f"NOT CANCELLED: {error}")
            target, is_done = None, False
        if target is not None:
            outcome = asyncio.run(_sweep(*target, within_s, with_stops=with_stops))
            _report(outcome, say)
            is_done = bool(outcome.is_clean)
        elif is_done and is_barred:
            say("the venue is the exchange inside the daemon, which takes its own orders back when it sees HALT")
    if as_json:
        print_json({"halted": is_barred} | ({} if outcome is None else _sweep_fields(outcome)))
    return ExitCode.OK if is_barred and is_done else ExitCode.TEMPORARY


def _report(outcome: Any, say: Say) -> None:
    # Says every order and position.
    for line in outcome.orders:
        order = line.order
        end = f"STILL WORKING: {line.answer or 'not asked'}" if line.still_works else order.status.value
        say(
            f"{order.venue_order_id:20} {order.side:4} {order.quantity:>8} {order.symbol:12} "
            f"filled {order.filled:>8}  cancels sent {line.cancels_sent}  {end}"
        )
    if outcome.positions is None:
        say("positions: the venue did not tell")
    for position in outcome.positions or ():
        what = f"{position.quantity} {position.symbol} {position.product}"
        say(f"position stays open: {what}")
    left = sum(line.still_works for line in outcome.orders)
    if outcome.failure:
        print_error_line(f"NOT CLEAN: the order book could not be read at the end: {outcome.failure}")
    elif left:
        print_error_line(f"NOT CLEAN: {left} orders still work at the venue; run it again or cancel by hand")
    else:
        but = " but stops that are left there" if outcome.kept else ""
        say(f"clean: no order works at the venue{but}; {len(outcome.orders)} worked before")
    if outcome.kept:
        is_one, stops = len(outcome.kept) == 1, ", ".join(map(_stop_words, outcome.kept))
        say(
            f"{'1 stop is' if is_one else f'{len(outcome.kept)} stops are'} left at the exchange: {stops};"
            f" --cancel-stops cancels {'it' if is_one else 'them'} too"
        )
        say("if you close a position by hand, cancel its stop by hand too: it would sell what you no longer hold")


def _stop_words(order: VenueOrder) -> str:
    at = "" if order.trigger_price is None else f" at {order.trigger_price.normalize():f}"
    return f"{'' if order.gtt is None else 'GTT '}{order.side} {order.quantity - order.filled:f} {order.symbol}{at}"


def _sweep_fields(outcome: Any) -> dict[str, Any]:
    def row(order: VenueOrder) -> dict[str, Any]:
        return {
            "venue_order_id": order.venue_order_id,
            "tag": order.tag,
            "exchange": order.exchange,
            "symbol": order.symbol,
            "product": order.product,
            "side": order.side,
            "quantity": f"{order.quantity:f}",
            "filled": f"{order.filled:f}",
            "status": order.status,
            "is_gtt": order.gtt is not None,
            "trigger": None if order.trigger_price is None else f"{order.trigger_price:f}",
        }

    positions = [
        {"exchange": p.exchange, "symbol": p.symbol, "product": p.product, "quantity": f"{p.quantity:f}"}
        for p in outcome.positions or ()
    ]
    return {
        "clean": outcome.is_clean,
        "failure": outcome.failure,
        "orders": [
            row(line.order) | {"cancels_sent": line.cancels_sent, "answer": line.answer} for line in outcome.orders
        ],
        "kept": [row(order) for order in outcome.kept],
        "positions": None if outcome.positions is None else positions,
    }


def _bar_all(folder: Path, reason: str, *, is_named: bool, is_all: bool, say: Say) -> bool:
    """Write the HALT files and say which daemons they stop and which go on.

    Returns whether the daemon that the operator means is barred. Without `--state-dir` that is any running daemon: one
    in another directory goes on.
    """
    from tradebot.control.running_daemons import running_daemons

    others = [one for one in running_daemons() if not _is_same(one.state_dir, folder)]
    was_used, is_running = _bar(folder, reason, say)
    for one in others if is_all else ():
        _, is_stopped = _bar(one.state_dir, reason, say)
        is_running, is_named = is_running or is_stopped, is_named or not is_stopped
    for one in () if is_all else others:
        print_error_line(
            f"STILL RUNNING: pid {one.pid or 'unknown'} on {one.state_dir}; `tradebot kill --state-dir "
            f"{one.state_dir}` stops it, --all stops every one"
        )
    is_barred = is_running or (was_used and (is_named or not others))
    if not is_barred:
        print_error_line(f"NOT HALTED: no daemon {'runs' if was_used else 'has ever run'} on {folder}")
    return is_barred


def _bar(folder: Path, reason: str, say: Say) -> tuple[bool, bool]:
    # Returns whether the directory was used by a daemon before and is barred now, and whether one runs there now.
    from tradebot.control.halt_file import HaltFile
    from tradebot.journal.lock import lock_holder
    from tradebot.journal.schema import FILE_NAME

    halt_file = HaltFile(folder)
    try:
        halt_file.write_reason(reason)
    except OSError as error:  # a full disk must not keep orders from being cancelled
        why = f"{halt_file.path} cannot be written: {error.strerror}"
        print_error_line(f"NOT HALTED: {why}; stop the daemon")
        return False, False
    if (pid := lock_holder(folder)) is not None:
        who = f"the daemon of pid {pid or 'unknown'} on {folder}"
        say(f"halted: {who}; no order leaves until `tradebot resume`")
        return True, True
    say(f"{halt_file.path} is on disk; what starts there sends nothing until `tradebot resume`")
    return (folder / FILE_NAME).exists(), False


def _is_same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _trades_on_paper(found: SalvagedSettings, folder: Path) -> bool:
    # Whether what would be cancelled at a real venue are orders of other people alone. In doubt it is not paper: the
    # configuration may say paper where the command line said live, so the newest run in the journal has to say it too.
    from tradebot.errors import StateError
    from tradebot.journal.reader import latest_run
    from tradebot.journal.schema import FILE_NAME

    adapter = registry.find_adapter(found.setting_text("venue", "name"))
    own = found.values.get("kill", {})
    if adapter is None or found.setting_text("app", "mode") == "live":
        return False
    if all(str(own.get(key, "")).strip() for key in adapter.credential_names):
        return False
    try:
        run = latest_run(folder / FILE_NAME)
    except StateError:
        return False
    return run is not None and run.mode.endswith("paper") and run.venue == adapter.name


def _target(
    found: SalvagedSettings, exchange_file: Path | None, state_dir: Path
) -> tuple[VenueAdapter, list[VenueAccess]] | None:
    # Returns where to cancel, with each access to try in its turn; None when the venue is the exchange inside the
    # daemon.
    if exchange_file is not None:
        from tradebot.cli.shared.exchange_file import read_addresses

        printed = read_addresses(exchange_file)
        adapter = registry.adapter_of_printed(printed)
        return adapter, [adapter.access_from_entry(printed[adapter.name])]
    own = found.values.get("kill", {})
    named = registry.find_adapter(found.setting_text("venue", "name"))
    adapter = named or registry.default_adapter()
    has_own_keys = all(str(own.get(key, "")).strip() for key in adapter.credential_names)
    if named is None and not has_own_keys:
        return None
    section = found.values.get(adapter.name, {})
    if has_own_keys:
        return adapter, [adapter.emergency_access(own, section)]
    try:
        saved = read_login(login_path(state_dir, adapter.name))
    except StateError as error:
        print_error_line(f"the saved login does not count: {error}")
        saved = None
    # As the daemon does at its start: the saved keys first, then a token in the settings, which may be the newer one.
    sections = [section] if saved is None else [{**section, **saved.keys}, section]
    accesses = []
    for number, one in enumerate(sections):
        try:
            accesses.append(adapter.emergency_access(own, one))
        except ConfigError:
            if not number:
                raise
    return adapter, accesses


async def _sweep(adapter: VenueAdapter, accesses: list[VenueAccess], within_s: float, *, with_stops: bool) -> Any:
    from tradebot.clock import WallClock
    from tradebot.control.cancel_sweep import CancelSweep

    clock = WallClock()
    for access in accesses:
        broker = adapter.build_kill_broker(access, clock)
        try:
            return await CancelSweep(broker, clock, with_stops=with_stops).cancel_until_clean(within_s=within_s)
        except AccessDenied as error:
            if access is accesses[-1] or not isinstance(error, LoginLost):
                raise AccessDenied(f"nothing was cancelled: {error}") from error
            print_error_line(f"the saved login does not count: {error}; the keys of the settings are tried")
        finally:
            await broker.close()
    raise AssertionError("the last access returns or raises")
