"""The verb `run`: runs the daemon."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from tradebot.cli.shared.options import exchange_option
from tradebot.errors import InvariantBroken
from tradebot.printing import confirm_or_abort, print_text

FAULTY_SHARE = 0.6  # the share of a rehearsal in which faults strike
REHEARSAL_SPEED = 120.0  # a market day takes three minutes
EXCHANGE_START_TIMEOUT_S = 10
SESSION_S = 22_500  # market seconds of a session


@click.command()
@click.option("-c", "--config", "config_path", type=click.Path(dir_okay=False), help="The config.toml to use.")
@click.option("--symbols", help='RELIANCE,TCS or an index name or "@file".')
@click.option("--strategy", "strategy", multiple=True, help="A shipped name or path/to/file.py:Class; may be repeated.")
@click.option("--for", "stop_after", help="Stop cleanly after this long: 60s, 5m, 6h.")
@click.option("--mode", type=click.Choice(["paper", "live"]), help="paper (default) or live.")
@click.option("--state-dir", type=click.Path(file_okay=False), help="Where journal and lock live.")
@click.option("--interval", help="Length of a bar: 1s to 1d.")
@click.option("--speed", type=float, help="Market seconds per second of the embedded exchange.")
@click.option("--seed", type=int, help="Seed of the embedded exchange.")
@click.option("--invent", is_flag=True, default=None, help="Invent shares for symbols that no list here knows.")
@click.option("--prices", help="Recorded prices for the embedded exchange: a file or folder.")
@click.option("--workers", help='Worker processes, 0 for none, or "auto".')
@exchange_option("Trade on a")
@click.option(
    "--exchange-log", type=click.Path(dir_okay=False, path_type=Path), help="Where the embedded exchange logs."
)
@click.option(
    "--rehearse",
    type=click.IntRange(min=0),
    metavar="SEED",
    help="Rehearse a bad day: the embedded exchange misbehaves as SEED says; a verdict follows.",
)
@click.option("--faults", help='Faults of the embedded exchange: "swarm", "429:books~0.1", or "list" to see them.')
@click.option("--faults-until", help="No fault strikes after this long, such as 60s.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--log-format", type=click.Choice(["auto", "json", "text"]))
@click.option("--dry-start", "dry_start", is_flag=True, help="Go up to READY and out; no order can leave.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before trading live.")
def run(
    config_path: str | None,
    exchange_file: Path | None,
    exchange_log: Path | None,
    dry_start: bool,
    yes: bool,
    rehearse: int | None,
    faults: str | None,
    faults_until: str | None,
    **given: Any,
) -> None:
    """Run the daemon: stream quotes, trade, log; SIGTERM or Ctrl-C stops it cleanly."""
    from tradebot.config import load_with_origins, secret_keys
    from tradebot.ops.confinement import confine_process, limit_child_memory, scrub_secrets
    from tradebot.trading.analysis import fork_server

    if faults == "list":
        from tradebot.cli.shared.faults import render_catalogue

        print_text(render_catalogue(as_json=False) + "\n")
        return
    overrides = dict(_overrides(given))
    exchange = None if exchange_file is None else _started(exchange_file)
    loaded = load_with_origins(config_path, overrides)
    if rehearse is not None:
        loaded = load_with_origins(config_path, overrides | _rehearsed(loaded.config, rehearse, given))
    # Paths are made absolute here, because strategies may change the working directory later.
    config = loaded.config.with_absolute_paths()
    confine_process()
    scrubbed = scrub_secrets(os.environ, secret_keys())
    exchange_log = exchange_log and exchange_log.absolute()
    if config.analysis.workers != 0:
        with limit_child_memory(config.analysis.worker_memory_mb):
            fork_server.start_fork_server()  # imports for the workers run in parallel with the imports of this process
    from tradebot.clock import WallClock
    from tradebot.daemon.start_checks import start_problems

    loaded.raise_complaints(start_problems(config, now=WallClock().wall_ns(), has_exchange=exchange is not None))
    if config.app.mode == "live" and not (yes or dry_start):
        _confirm_live(config)
    plan = _plan(config, rehearse, faults, faults_until)
    if plan is not None and (exchange is not None or config.venue.name != "embedded"):
        raise click.UsageError("faults belong to the exchange: only the embedded one takes them from this command")
    if dry_start and (exchange is not None or config.venue.name == "embedded"):
        raise click.UsageError("--dry-start is for a real venue: there is nothing to check of the embedded exchange")
    if rehearse is None:
        file = None if loaded.path is None else str(loaded.path.absolute())

        def read_again() -> Any:
            # The secrets of the environment are no longer in it. Like the options they win over the file.
            return load_with_origins(file, scrubbed | overrides).config.with_absolute_paths()

        _run(config, exchange, exchange_log, plan, is_dry=dry_start, read_config=read_again)
        return
    from tradebot.cli.run.rehearsal import print_verdict

    try:
        _run(config, exchange, exchange_log, plan)
    finally:
        kept = print_verdict(config.app.state_dir, exchange_log, seed=rehearse)
    if not kept:
        raise InvariantBroken(
            f"the rehearsal of seed {rehearse} broke a promise; the records are in {config.app.state_dir}"
        )


def _needs_login(exchange: dict[str, Any]) -> bool:
    # An exchange with fixed keys prints no access token: as at a real venue, a person logs in.
    from tradebot.venues import registry

    adapter = registry.adapter_of_printed(exchange)
    return not all(exchange[adapter.name].get(name) for name in adapter.credential_names)


def _confirm_live(config: Any) -> None:
    from tradebot.venues import registry

    adapter = registry.find_adapter(config.venue.name)
    account = adapter.live_account_id(config.venue_section(adapter)) if adapter else ""
    if config.mode_label != config.app.mode:
        confirm_or_abort(f"REHEARSE live trading on account {account} of an exchange on this machine, without money?")
    else:
        confirm_or_abort(f"Trade REAL money on account {account}?")


def _rehearsed(config: Any, seed: int, given: dict[str, Any]) -> dict[str, Any]:
    # A rehearsal keeps away from the journal of real days. It runs fast unless a speed is set.
    changes: dict[str, Any] = {}
    if given["state_dir"] is None:
        changes["app.state_dir"] = str(_fresh(config.app.state_dir / "rehearsals", f"seed-{seed}"))
    if config.exchange.speed == type(config.exchange)().speed:
        changes["exchange.speed"] = REHEARSAL_SPEED
    return changes


def _fresh(folder: Path, name: str) -> Path:
    return next(path for n in itertools.count(1) if not (path := folder / f"{name}-{n}").exists())


def _plan(config: Any, rehearse: int | None, faults: str | None, until: str | None) -> Any:
    if (rehearse, faults, until) == (None, None, None):
        return None
    from tradebot.cli.shared.faults import fault_plan_of

    if rehearse is not None:
        if faults is not None:
            raise click.UsageError("--rehearse draws the faults of a seed; leave out --faults, or name them there")
        after_s = config.app.stop_after_s or SESSION_S / config.exchange.speed
        # Faults strike in the first three fifths of the run. The rest shows that everything recovers.
        return fault_plan_of("bad-day", seed=rehearse, until=until or f"{FAULTY_SHARE * after_s:.3f}s")
    return fault_plan_of(faults, seed=config.exchange.seed, until=until)


def _overrides(given: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    keys = {
        "symbols": "app.symbols",
        "stop_after": "app.stop_after",
        "mode": "app.mode",
        "state_dir": "app.state_dir",
        "interval": "bars.interval",
        "speed": "exchange.speed",
        "seed": "exchange.seed",
        "prices": "exchange.path",
        "invent": "exchange.invent",
        "workers": "analysis.workers",
        "log_level": "log.level",
        "log_format": "log.format",
    }
    for name, key in keys.items():
        if given[name] is not None:
            yield key, given[name]
    if given["prices"] is not None:
        yield "exchange.prices", "recorded"
    if given["strategy"]:
        yield "strategy", [{"name": name} for name in given["strategy"]]


def _started(path: Path) -> dict[str, Any]:
    # `tradebot exchange > FILE &` creates the file at once, and prints its line when it listens.
    import asyncio

    from tradebot.cli.shared.exchange_file import read_addresses
    from tradebot.clock import SECOND, WallClock

    clock = WallClock()
    give_up_at = clock.monotonic_ns() + EXCHANGE_START_TIMEOUT_S * SECOND
    while not path.stat().st_size and clock.monotonic_ns() < give_up_at:
        asyncio.run(clock.sleep(0.05))
    return read_addresses(path)


def _run(
    config: Any,
    exchange: dict[str, Any] | None,
    exchange_log: Path | None,
    faults: Any,
    *,
    is_dry: bool = False,
    read_config: Callable[[], Any] | None = None,
) -> None:
    import asyncio

    import uvloop

    from tradebot.app import RunOptions, run_id
    from tradebot.app import run as run_daemon
    from tradebot.clock import WallClock
    from tradebot.config.known_secrets import known_secrets
    from tradebot.control.running_daemons import announce_daemon
    from tradebot.daemon.run_failure import root_cause
    from tradebot.ops import logs
    from tradebot.ops.event_lines import EventLines
    from tradebot.ops.events.bus import EventBus
    from tradebot.ops.loop_guard import LoopGuard
    from tradebot.ops.output_capture import OutputCapture
    from tradebot.ops.systemd import Notifier

    name = run_id(WallClock())
    secrets = known_secrets(config)
    printed = OutputCapture()
    log = logs.configure_log(
        level=config.log.level,
        format=config.log.format,
        run_id=name,
        mode=config.mode_label,
        secrets=secrets,
        fd=printed.stdout_fd,
    )
    options = RunOptions(
        run_id=name,
        exchange=exchange,
        exchange_log=exchange_log,
        faults=faults,
        lines_dropped=lambda: log.dropped_count,
        is_dry=is_dry,
        has_login=exchange is not None and _needs_login(exchange),
        read_config=read_config,
        set_log_level=log.set_level,
        event_lines=EventLines(
            threshold=log.threshold, run_id=name, mode=config.mode_label, secrets=secrets, logger="daemon"
        ),
    )
    bus = EventBus()
    bus.subscribe(logs.log_listener("daemon"))
    names = [section.name for section in config.strategy]
    printed.start_reporting(bus.emit_event, WallClock(), strategy=names[0] if len(names) == 1 else "")

    async def guarded() -> None:
        async with LoopGuard(WallClock(), tell=bus.emit_event) as guard, asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(guard.wait_for_fault(), name="loop-guard")
            await run_daemon(config, options, bus=bus, notifier=Notifier(os.environ, pid=os.getpid()))
            watching.cancel()

    try:
        with announce_daemon(config.app.state_dir):
            uvloop.run(guarded())
    except BaseExceptionGroup as group:
        raise root_cause(group) from group
    finally:
        printed.restore_output()
        log.close_log()
        printed.close_capture()
