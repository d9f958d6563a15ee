"""The verb `backup`: takes a verified backup of the state directory, while the daemon runs or not."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import click

from tradebot.cli.journal.options import journal_options
from tradebot.cli.shared.state_dir import state_dir_of
from tradebot.clock import WallClock
from tradebot.control.halt_file import FILE_NAME as HALT_FILE_NAME
from tradebot.daemon.venue.venue_session import EXCHANGE_LOG
from tradebot.history.database import FILE_NAME as HISTORY_FILE_NAME
from tradebot.journal.backup import BackupTerms, backup_names, take_backup
from tradebot.journal.disk_space import MB
from tradebot.paper.accounts import OLD_LOG
from tradebot.paper.settings import PAPER_LOG, SHADOW_LOG
from tradebot.printing import print_error_line, print_json, print_line

LOGS = frozenset({PAPER_LOG, SHADOW_LOG, EXCHANGE_LOG})


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@journal_options
@click.option("--without-history", is_flag=True, help="Leave the past bars out; they can be downloaded again.")
def backup(file: Path, state_dir: Path | None, config: str | None, as_json: bool, without_history: bool) -> None:
    """Take a backup of the state directory into FILE, also while the daemon runs.

    The journal is copied as one moment has it, and the chain of the copy is checked row by row. Beside it go paper
    accounts, a HALT file and, as far as possible, the past bars. The login does not: a restored daemon needs one of its
    own. Nor do the tables, which `tradebot db sync` fills from the journal.
    """
    folder = state_dir_of(state_dir, config)
    terms = BackupTerms(
        logs=backup_names(folder, lambda name: name in LOGS or re.fullmatch(OLD_LOG, name) is not None),
        files=(HALT_FILE_NAME,),
        databases=() if without_history else (HISTORY_FILE_NAME,),
        host=platform.node(),
        taken_at=WallClock().wall_ns(),
    )
    manifest = take_backup(folder, file, terms)
    size = file.stat().st_size
    if as_json:
        files = {name: one.size for name, one in manifest.files.items()}
        print_json(
            {"file": str(file), "bytes": size, "rows": manifest.rows, "head": manifest.head, "files": files}
            | {"settled": manifest.is_settled, "left_out": dict(manifest.left_out), "account": manifest.account},
            indent=2,
        )
    else:
        print_line(
            f"{file}: {size / MB:.1f} MB, {manifest.rows} rows of the journal, intact, head {manifest.head};"
            f" with {', '.join(manifest.files)}"
        )
    for name, why in manifest.left_out.items():
        print_error_line(f"{name} is left out: {why}")
    if not manifest.is_settled:
        print_error_line(
            "the simulated account went on trading at each try: its log may lack orders of that moment; take the backup"
            " of a paper account after the close"
        )
