"""The operator's edits of the config file on a simulated day: sound ones, broken ones, and such as need a restart.

an edit is drawn ▶ the file is written ▶ SIGHUP, or `reload --yes` ▶ the answer ▶ the limits in force are judged
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

from tradebot.clock import SECOND
from tradebot.config import Config
from tradebot.config.desk_settings import gate_limits
from tradebot.config.document import render_toml
from tradebot.config.reload_plan import plan_reload
from tradebot.control.account_lists import limit_rows
from tradebot.control.api_paths import PREFIX
from tradebot.ops.events.event import Event, EventListener
from tradebot.ops.events.rehearsal import OperatorActed
from tradebot.ops.events.run import ConfigReloaded, ProcessSignalIgnored, ReloadRefused
from tradebot.simulation.daemon_processes import StateFolders
from tradebot.simulation.seeded_random import SeededRandom

EDITS_FAULT = "operator-reloads"
EDITS = 8  # edits of one act of the operator
PAUSE_S = (0.02, 0.25)  # before each of them
ANSWER_WITHIN_S, LOOK_EVERY_S = 1.5, 0.03
SOUND_SHARE, BROKEN_SHARE = 0.5, 0.25  # of the edits; the others need a restart
CONFIRMED_SHARE = 0.3  # of the edits that are taken up by the verb, with --yes; the others by SIGHUP
NOT_WRITTEN = "a row could not be written"  # the disk failed, and the run ends for it
LEVELS = "debug", "info", "warning", "error"

# Limits from the narrowest to the widest; a config whose limits are in another order is refused.
LADDERS = (
    ("order_notional", "max_order_notional", "max_position_notional", "max_gross_notional"),
    ("orders_per_second", "orders_per_minute", "orders_per_day"),
)
MOST = {"orders_per_second": 9, "orders_per_minute": 390, "orders_per_day": 4_900}  # of what a config may say
OTHERS = "max_daily_loss", "max_open_orders", "max_order_quantity"
FACTORS = tuple(map(Decimal, ("0.1", "0.5", "0.9", "1", "1", "1.3", "2")))  # of a limit of the first config
# The size of an entry must buy a share, and the orders of a second must leave room for stops.
GENTLE_NAMES, GENTLE_FACTORS = ("order_notional", *LADDERS[1][:2]), tuple(map(Decimal, ("0.5", "0.9", "1", "1.3")))

# What breaks the text of a config.
BREAKS: tuple[Callable[[str], str], ...] = (
    lambda text: f"{text}\n[risk\n",
    lambda text: text[: text.index("max_open_orders") + 20],
    lambda text: text.replace("max_open_orders = ", 'max_open_orders = "many" # '),
    lambda text: text.replace("max_open_orders = ", "max_open_order = "),
    lambda text: text.replace("orders_per_second = ", "orders_per_second = 1000 # "),
    lambda text: text.replace("max_gross_notional = ", "max_gross_notional = 1 # "),
)
# Section and key of what needs a restart -> another value.
UNSAFE: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("app", "symbols"): lambda symbols: symbols[:-1],
    ("bars", "interval"): lambda _: "10s",
    ("execution", "chase"): lambda chase: "modify" if chase == "cancel" else "cancel",
    ("risk", "allow_short"): lambda allowed: not allowed,
    ("risk", "max_rejects_in_a_row"): lambda most: most + 1,
    ("exchange", "seed"): lambda seed: seed + 1,
}


class EditKind(StrEnum):
    """What a daemon is to make of an edit."""

    SOUND = "sound"  # it is taken up, unless it raises a limit unconfirmed while something is open
    BROKEN = "broken"
    UNSAFE = "unsafe"  # it needs a restart


class ConfigEdit(NamedTuple):
    """One edit: the file's new text, and the settings in it; those of a broken one are what it was before it broke."""

    kind: EditKind
    text: str
    wanted: Config


class EditedDaemon(Protocol):
    """The parts of a session that the edits act on."""

    clock: Any
    state_folders: StateFolders
    findings: Any

    async def ask_daemon(self, verb: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Return the daemon's answer on its control socket, None without one or where it refuses."""
        ...

    def hang_up(self) -> None:
        """Send SIGHUP to the daemon if it handles the signal."""
        ...


class ConfigEditor:
    """The operator who edits the config file. A daemon that makes something else of it is a failure of the session."""

    def __init__(self, daemon: EditedDaemon, rng: SeededRandom, tell: EventListener) -> None:
        self._daemon, self._rng, self._tell = daemon, rng, tell

    async def edit_some(self) -> None:
        """Edit the file some times, at random moments, and have each edit taken up."""
        for _ in range(EDITS):
            await self._daemon.clock.sleep(self._rng.float_between(*PAUSE_S))
            await self._edit()

    async def _edit(self) -> None:
        folders, rng = self._daemon.state_folders, self._rng
        before, edit = folders.config, draw_edit(rng, folders.config, folders.first_config)
        folders.write_config(edit.text)
        is_confirmed = rng.draw_bool(CONFIRMED_SHARE)
        if is_confirmed:
            await self._daemon.ask_daemon(f"{PREFIX[1:]}/reload", {"confirm": True})
        else:
            self._daemon.hang_up()
        answer = await self._await_answer(edit)
        word = "none" if answer is None else answer.name
        way = "reload --yes" if is_confirmed else "SIGHUP"
        self._tell(OperatorActed(verb="reload", body={"edit": str(edit.kind), "by": way, "answer": word}))
        if fault := _fault_of(edit, answer, before=before, is_confirmed=is_confirmed):
            self._daemon.findings.record_failure(f"a config that is {edit.kind} (by {way}): {fault}")
        if answer is not None:
            await self._judge_limits(edit)
        folders.write_config(render_toml(folders.config))  # as it is in force: a refused edit is taken back

    async def _await_answer(self, edit: ConfigEdit) -> Event | None:
        clock, folders = self._daemon.clock, self._daemon.state_folders
        until = clock.monotonic_ns() + round(ANSWER_WITHIN_S * SECOND)
        while clock.monotonic_ns() < until:
            # An answer to an earlier edit may come late; it is told by the text that the daemon read.
            answer = folders.reload_answer
            if isinstance(answer, ReloadRefused) and NOT_WRITTEN in answer.reason:
                return None
            if isinstance(answer, ProcessSignalIgnored) or (answer is not None and folders.text_read == edit.text):
                return answer
            await clock.sleep(LOOK_EVERY_S)
        return None

    async def _judge_limits(self, edit: ConfigEdit) -> None:
        folders = self._daemon.state_folders
        shown = await self._daemon.ask_daemon(f"{PREFIX[1:]}/risk")
        config = folders.config
        if shown is None:
            return
        held = {row["name"]: _plain(row["value"]) for row in shown["limits"]}
        due = {row.name: _plain(row.value) for row in limit_rows(gate_limits(config, speed=config.exchange.speed))}
        found = [f"{name} is {held.get(name)}, not {value}" for name, value in due.items() if held.get(name) != value]
        if folders.log_level != config.log.level:
            found.append(f"the log level is {folders.log_level}, not {config.log.level}")
        if found:
            self._daemon.findings.record_failure(f"after a config that is {edit.kind}: {'; '.join(found)}")


def draw_edit(rng: SeededRandom, config: Config, first: Config) -> ConfigEdit:
    """Draw an edit of `config`; limits are drawn around those of the `first` config, so that they do not drift."""
    wanted, share = _draw_limits(rng, config, first), rng.next_float()
    if share < SOUND_SHARE:
        return ConfigEdit(EditKind.SOUND, render_toml(wanted), wanted)
    if share < SOUND_SHARE + BROKEN_SHARE:
        broken = rng.one_of(BREAKS)(render_toml(wanted))
        return ConfigEdit(EditKind.BROKEN, broken, wanted)
    section, key = rng.one_of(list(UNSAFE))
    value = UNSAFE[section, key](getattr(getattr(wanted, section), key))
    unsafe = _with(wanted, section, **{key: value})
    return ConfigEdit(EditKind.UNSAFE, render_toml(unsafe), unsafe)


def _draw_limits(rng: SeededRandom, config: Config, first: Config) -> Config:
    names = [*LADDERS[0], *LADDERS[1], *OTHERS, "log"]
    risk = config.risk.model_dump()
    for _ in range(rng.int_between(1, 3)):
        name = rng.one_of(names)
        if name == "log":
            config = _with(config, "log", level=rng.one_of(LEVELS))
            continue
        factors = GENTLE_FACTORS if name in GENTLE_NAMES else FACTORS
        factor, was = rng.one_of(factors), getattr(first.risk, name)
        drawn = max(round(was * factor), 1)
        risk[name] = Decimal(drawn) if isinstance(was, Decimal) else min(drawn, MOST.get(name, drawn))
    for ladder in LADDERS:
        for high, low in pairwise(reversed(ladder)):
            risk[low] = min(risk[low], risk[high])
    return _with(config, "risk", **{name: risk[name] for name in names if name != "log"})


def _with(config: Config, section: str, **changes: Any) -> Config:
    return config.model_copy(update={section: getattr(config, section).model_copy(update=changes)})


def _plain(text: str) -> Decimal | str:
    # An equal number with other zeros is the same limit.
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def _fault_of(edit: ConfigEdit, answer: Event | None, *, before: Config, is_confirmed: bool) -> str:
    # Why the answer is the wrong one, "" for a right one. A daemon that dies, starts or ends answers nothing.
    match answer:
        case ConfigReloaded() if edit.kind is not EditKind.SOUND:
            return f"it was taken up: {answer.changes}"
        case ConfigReloaded():
            due = [str(change) for change in plan_reload(before, edit.wanted).changes]
            return "" if sorted(answer.changes) == sorted(due) else f"{answer.changes} changed, not {due}"
        case ReloadRefused() if edit.kind is EditKind.SOUND:
            may_refuse = bool(plan_reload(before, edit.wanted).raised) and not is_confirmed
            return "" if may_refuse and "is open, and this raises" in answer.reason else f"refused: {answer.reason}"
        case ReloadRefused() if edit.kind is EditKind.UNSAFE and "a restart is needed" not in answer.reason:
            return f"refused for another reason: {answer.reason}"
    return ""
