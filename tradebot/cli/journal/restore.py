"""The verb `restore`: makes a new state directory of a backup, which sends nothing until a person resumes."""

from __future__ import annotations

from pathlib import Path

import click

from tradebot.clock import format_iso
from tradebot.control.halt_file import FILE_NAME as HALT_FILE_NAME
from tradebot.control.halt_file import HaltFile
from tradebot.errors import StateError
from tradebot.journal.backup_archive import Manifest, restore_backup
from tradebot.journal.lock import lock_holder
from tradebot.printable import make_printable
from tradebot.printing import print_json, print_line


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--state-dir", type=click.Path(path_type=Path), required=True, help="The new state directory.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def restore(file: Path, state_dir: Path, as_json: bool) -> None:
    """Make a new state directory of the backup FILE.

    Refused: a place that is not empty, one in which a daemon runs, a backup that was changed or cut off. Its journal's
    chain is checked row by row. It holds a HALT file, so that nothing is sent, exits included, before `tradebot
    resume`: the old daemon may still run. Stop that one first.
    """
    if (pid := lock_holder(state_dir)) is not None:
        raise StateError(f"{state_dir}: a daemon runs there (pid {pid or 'unknown'}); restore into a new place")
    manifest = restore_backup(file, state_dir, finish=_halt)
    taken = _taken_text(manifest)
    if as_json:
        print_json(
            {"state_dir": str(state_dir), "rows": manifest.rows, "head": manifest.head, "taken": taken}
            | {"host": manifest.host, "account": manifest.account, "halted": True, "files": sorted(manifest.files)},
            indent=2,
        )
        return
    print_line(
        f"{state_dir}: {manifest.rows} rows of account {manifest.account or 'unknown'}, intact, head {manifest.head};"
        f" taken {taken} on {manifest.host}"
    )
    print_line(
        "it sends nothing yet. Next: stop the old daemon; start this one; log in; tradebot status; tradebot resume"
    )


def _taken_text(manifest: Manifest) -> str:
    return f"{format_iso(manifest.taken_at)[:19]}Z"


def _halt(folder: Path, manifest: Manifest) -> None:
    # A kill that stood when the backup was taken goes on standing, with its reason.
    halt_file = HaltFile(folder)
    before = halt_file.read_reason() if HALT_FILE_NAME in manifest.files else ""
    taken = f"{_taken_text(manifest)} on {manifest.host}"
    reason = f"restored from a backup of {taken}: once the daemon there has been stopped, tradebot resume"
    halt_file.write_reason(make_printable(f"{reason}; before that: {before}" if before else reason))
