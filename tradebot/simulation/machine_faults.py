"""Faults of the daemon's machine: acts of the operator and failures of the host, drawn from the fault plan.

An operator who halts, flattens or kills resumes some seconds later. A halt that remains at the end is the daemon's.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from tradebot.clock import HOUR, SECOND, Clock
from tradebot.control.halt_file import HaltFile
from tradebot.exchange.faults.fault_plan import FaultPlan, InjectedFault
from tradebot.exchange.refusals import ExchangeRefusal
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.rehearsal import OperatorActed
from tradebot.simulation.config_edits import EDITS_FAULT, ConfigEditor, EditedDaemon
from tradebot.simulation.seeded_random import SeededRandom

ACT_INTERVAL_S = 1.0
KILL_AFTER_EVENTS = (1, 1500)  # callbacks of the daemon between the decision to kill -9 and the kill
RESUME_TRIES = 40  # once a second, where no login is waited for
CLOCK_STEP_NS = HOUR


class SimulatedMachine(EditedDaemon, Protocol):
    """The parts of a session that these faults act on."""

    exchange: Any

    @property
    def is_unattended(self) -> bool:
        """True at night and early in the morning, when no operator is present."""
        ...

    def end_daemon(self, events: int) -> None:
        """Kill the daemon after `events` more of its callbacks; with 0 send SIGTERM."""
        ...

    def break_disk(self, reason: str, *, slow_s: float = 0.0) -> None:
        """Make the next commit fail with `reason`, or with `slow_s` make all commits slow for that time."""
        ...

    def fill_disk(self, seconds: float) -> None:
        """Report a full disk, with the journal's reserve used up after `seconds`."""
        ...

    def break_pipe(self, *, unread_s: float = 0.0) -> None:
        """Stop reading the daemon's log for `unread_s` seconds, or with 0 close the pipe for good."""
        ...

    def hold_lock(self, seconds: float) -> None:
        """Let another process hold the state lock for `seconds` at the daemon's next start."""
        ...

    def halt_file(self) -> HaltFile:
        """Return the HALT file of the current state folder."""
        ...


class MachineFaults:
    """The operator and the host of one session."""

    def __init__(
        self,
        plan: FaultPlan,
        machine: SimulatedMachine,
        rng: SeededRandom,
        tell: EventListener,
        *,
        resume_tries: int = RESUME_TRIES,
    ) -> None:
        self._plan, self._machine, self._rng, self._tell = plan, machine, rng, tell
        self._resume_tries = resume_tries
        self._editor = ConfigEditor(machine, rng, tell)
        self._resumes: list[tuple[float, str]] = []  # (monotonic s, scope) of the resumes to come

    async def act_until(self, is_over: Callable[[], bool]) -> None:
        """Act once a second until `is_over`, then resume what is still halted."""
        clock: Clock = self._machine.clock
        while not is_over():
            await clock.sleep(ACT_INTERVAL_S)
            for point in ("operator", "host"):
                fault = self._plan.draw_fault(point)
                if fault is not None and fault.name == EDITS_FAULT:
                    await self._editor.edit_some()
                elif fault is not None:
                    await self._act(fault)
            await self._resume(clock.monotonic_ns() / SECOND)
        await self._resume(float("inf"))

    async def _act(self, fault: InjectedFault) -> None:
        machine, name = self._machine, fault.name
        resumes_at = machine.clock.monotonic_ns() / SECOND + fault.duration_s * (1 + fault.draw) / 2
        match name:
            case "operator-halts" | "operator-halts-symbol" | "operator-flattens":
                scope = "all"
                if name == "operator-halts-symbol":
                    names = machine.exchange.universe.symbols
                    scope = f"symbol:{names[int(fault.draw * len(names))]}"
                verb = "flatten" if name == "operator-flattens" else "halt"
                body = {"id": f"flatten-{fault.occasion}"} if verb == "flatten" else {"scope": scope}
                if await machine.ask_daemon(verb, body | {"reason": "the operator wants to look"}) is not None:
                    self._resumes.append((resumes_at, scope))
            case "operator-kills":
                with suppress(OSError):  # there may be no state directory yet
                    machine.halt_file().write_reason("the operator kills from elsewhere")
                for order in machine.exchange.latest_orders():
                    with suppress(ExchangeRefusal):
                        machine.exchange.cancel_order(order.order_id)
                self._resumes.append((resumes_at, "all"))
            case "operator-restarts":
                machine.end_daemon(0)
            case "operator-kill-9":
                machine.end_daemon(self._rng.int_between(*KILL_AFTER_EVENTS))
            case "host-clock-forward" | "host-clock-back":
                machine.clock.wall_offset_ns += CLOCK_STEP_NS if name == "host-clock-forward" else -CLOCK_STEP_NS
            case "host-disk-full":
                machine.fill_disk(fault.duration_s)
            case "host-disk-fails":
                machine.break_disk("disk I/O error")
            case "host-disk-slow":
                machine.break_disk("", slow_s=fault.duration_s)
            case "host-pipe-full":
                machine.break_pipe(unread_s=fault.duration_s)
            case "host-pipe-closed":
                machine.break_pipe()
            case "host-lock-held":
                machine.hold_lock(fault.duration_s)
                machine.end_daemon(1)
            case _:
                raise AssertionError(f"nobody does {name}")

    async def _resume(self, now_s: float) -> None:
        if self._machine.is_unattended and now_s < float("inf"):
            return
        due = [scope for at, scope in self._resumes if at <= now_s]
        self._resumes = [(at, scope) for at, scope in self._resumes if at > now_s]
        for scope in due:
            self._tell(OperatorActed(verb="resume", body={"scope": scope}))
            await self._ask_until_done("resume", scope)

    async def _ask_until_done(self, verb: str, scope: str) -> None:
        for _ in range(self._resume_tries):
            if await self._machine.ask_daemon(verb, {"scope": scope}) is not None:
                return
            await self._machine.clock.sleep(ACT_INTERVAL_S)
