"""The verb `init`: writes a folder to begin with, and says what to type next; it never replaces a file."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from tradebot.cli.init.texts import NEXT_COMMANDS, starter_files
from tradebot.errors import StateError
from tradebot.printing import print_json, print_line


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--add", "adds", is_flag=True, help="Into a folder with files of yours: write only what is missing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def init(folder: Path, adds: bool, as_json: bool) -> None:
    """Write settings, a strategy and its test into DIR, and say the next three commands.

    A folder that is not empty is refused with what would be written; with --add the missing files are written beside
    those that are there, none of which is changed.
    """
    files = starter_files()
    there = [name for name in files if os.path.lexists(folder / name)]
    missing = [name for name in files if name not in there]
    try:
        if not adds and folder.is_dir() and any(folder.iterdir()):
            beside = f" ({', '.join(there)} would stay as they are)" if there else ""
            raise StateError(
                f"{folder} is not empty; --add would write {', '.join(missing) or 'nothing'} into it{beside}"
            )
        for name in missing:
            _write(folder, name, files[name])
    except OSError as error:
        place = error.filename or folder
        raise StateError(f"{place}: cannot be written: {(error.strerror or str(error)).lower()}") from error
    commands = [f"cd {shlex.quote(str(folder))} && {NEXT_COMMANDS[0]}", *NEXT_COMMANDS[1:]]
    if as_json:
        print_json({"folder": str(folder), "written": missing, "kept": there, "next": commands}, indent=2)
        return
    for name in missing:
        print_line(f"{folder / name} written")
    for name in there:
        print_line(f"{folder / name} kept as it is")
    print_line("next:")
    for command in commands:
        print_line(f"  {command}")


def _write(folder: Path, name: str, text: str) -> None:
    # Others may not write what the daemon trusts, whatever the umask of this shell is: `run` would refuse it live.
    path = folder / name
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        path.unlink(missing_ok=True)  # half a file would be kept as it is the next time
        raise
