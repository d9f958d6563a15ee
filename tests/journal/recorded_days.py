"""Journals of simulated days, kept with what came out of them; `python tests/journal/recorded_days.py SEED` adds one.

A day that is kept stays as it was written: what reads journals must read it for ever. One is added where rows, tapes or
terms have learned something, never written over.
"""

from __future__ import annotations

import asyncio
import json
import lzma
import os
import shutil
import sqlite3
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

LIVES = "lives"
KEPT = Path(__file__).with_name("recorded")
ROOT = Path(__file__).resolve().parents[2]


async def came_out(journal: Path) -> dict[str, Any]:
    """Return what a journal holds and leads to, as JSON values: its chain, what is recovered, what a replay finds."""
    from tradebot.journal.reader import read_rows, verify_chain
    from tradebot.journal.recovery import recover_state
    from tradebot.replay.recorded_run import read_run, replayable_runs
    from tradebot.replay.rerun import replay_run

    verdict, recovery = verify_chain(journal), recover_state(journal)
    kinds: dict[str, int] = {}
    for row in read_rows(journal):
        kinds[row.kind] = kinds.get(row.kind, 0) + 1
    replays = [await replay_run(read_run(journal, run_id)) for run_id in replayable_runs(journal)]
    return {
        "rows": kinds,
        "head": verdict.head.hex() if verdict.is_intact else f"broken at {verdict.broken_row}",
        "runs": [run.run_id for run in recovery.runs],
        "clean": recovery.is_clean,
        "last": recovery.last_at,
        "halts": [f"{halt.verb} {halt.scope} {halt.until}: {halt.reason}" for halt in recovery.halts],
        "flattened": sorted(recovery.flatten_ids),
        "books": {account: _books(books) for account, books in recovery.accounts.items()},
        "replays": [
            {
                "run": done.run_id, "closes": done.closes, "signals": done.signals, "facts": done.facts,
                "states": done.states, "state": done.state, "behind": done.behind_tape,
                "difference": None if done.difference is None else str(done.difference),
            }
            for done in replays
        ],
    }  # fmt: skip


def _books(books: Any) -> dict[str, Any]:
    return {
        "facts": len(books.events),
        "adopted": [[symbol, str(quantity), str(price)] for symbol, quantity, price in books.adopted],
        "orders": {order_id: f"{o.state} {o.filled} of {o.quantity}" for order_id, o in books.orders.items()},
        "positions": [
            [
                *(key.exchange, key.symbol, key.product, key.owner),
                *map(str, (p.quantity, p.cost, p.realized, p.charges)),
            ]
            for key, p in books.positions.items()
        ],
        "undone": [f"{fact.order_id} {fact.type}" for fact in books.closing_events],
        "external": [[e.key.symbol, e.key.product, str(e.quantity)] for e in books.external],
        "best": {order_id: str(price) for order_id, price in books.best_prices.items()},
    }


def kept() -> list[str]:
    """Return the names of the days that are kept."""
    return sorted(file.name.removesuffix(".json") for file in KEPT.glob("*.json"))


def unpacked(name: str, folder: Path) -> Path:
    """Write the journal of a day into `folder`."""
    path = folder / "journal.sqlite3"
    path.write_bytes(lzma.decompress((KEPT / f"{name}.sqlite3.xz").read_bytes()))
    return path


def expected(name: str) -> dict[str, Any]:
    """Return what came out of a day when it was kept."""
    found: dict[str, Any] = json.loads((KEPT / f"{name}.json").read_text("utf-8"))
    return found


def main() -> int:
    """Play the day of a seed, or `lives` at the scripted venue, and keep its journal."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests/crash")]
    asked = sys.argv[1]
    name = asked if asked == LIVES else f"day-{int(asked)}"
    assert name not in kept(), f"{name} is kept, and stays as it is"
    with TemporaryDirectory() as folder:
        journal = _lived(Path(folder)) if asked == LIVES else _played(int(asked), Path(folder))
        whole = Path(folder) / "whole.sqlite3"
        source, target = sqlite3.connect(journal), sqlite3.connect(whole)
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")
        target.execute("VACUUM")
        for connection in (source, target):
            connection.close()
        (KEPT / f"{name}.sqlite3.xz").write_bytes(lzma.compress(whole.read_bytes(), preset=9 | lzma.PRESET_EXTREME))
        found = asyncio.run(came_out(whole))
    (KEPT / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    sys.stdout.write(f"{name}: {found['rows']}, {(KEPT / f'{name}.sqlite3.xz').stat().st_size:,} bytes\n")
    return 0


def _played(seed: int, folder: Path) -> Path:
    from tradebot.simulation import restless
    from tradebot.simulation.seed_run import run_seed

    os.chdir(folder)  # the strategy's file is named in the journal, and not where it lay on this machine
    shutil.copy(restless.__file__, "restless.py")
    restless.__file__ = "restless.py"
    run_seed(seed, folder=folder)
    lives = sorted(folder.glob("state-*"), key=lambda life: int(life.name.rpartition("-")[2]))
    return lives[-1] / "journal.sqlite3"


def _lived(folder: Path) -> Path:
    # Some scenarios of the kill sweeps in one life; two that are killed follow, and one that ends as it should.
    from tests.crash.forge import AFTERWARDS, live_once
    from tests.crash.kill_sweep import SCENARIOS

    names = ("replies lost", "ends at once", "odd fills", "cancels", "changes in doubt", "a change too late")
    steps = [step for name in names for step in SCENARIOS[name]]
    for given, kill in ((steps, 0), (SCENARIOS["replies lost"], 30), (AFTERWARDS, 12), (AFTERWARDS, 0)):
        live_once(folder, list(given), kill, "boundary")
    return folder / "journal.sqlite3"


if __name__ == "__main__":
    sys.exit(main())
