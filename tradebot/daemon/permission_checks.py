"""Checks the permissions of the files that the daemon trusts: its state, its credentials, its strategies."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from tradebot.config import Config
from tradebot.config.cross_checks import Complaint
from tradebot.config.problems import secret_settings
from tradebot.strategies.loading import strategy_file

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def find_exposed_files(config: Config, *, credentials: str = "") -> list[Complaint]:
    """Return the files that others may change, with a command that corrects each; `credentials` is the keys' folder."""
    found: list[Complaint] = []
    state_dir = config.app.state_dir
    found += _complaints(("app", "state_dir"), [state_dir], "chmod 700", "the state directory")
    if credentials:
        folder = Path(credentials)
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        key = secret_settings()[0]
        found += _complaints(key, [folder], "chmod 700", "the folder of credentials")
        found += _complaints(key, files, "chmod 600", "the credential file", also=stat.S_IROTH)
    if config.app.mode == "live":
        files = [path for section in config.strategy if (path := strategy_file(section.name)) is not None]
        folders = {path.absolute().parent for path in files}
        found += _complaints(("strategy",), files, "chmod go-w", "the strategy file")
        found += _complaints(("strategy",), sorted(folders), "chmod go-w", "the folder of a strategy", sticky=True)
    return found


def _complaints(
    key: tuple[str, ...], paths: Iterable[Path], mend: str, what: str, *, also: int = 0, sticky: bool = False
) -> Iterator[Complaint]:
    for path in paths:
        try:
            about = path.stat()
        except OSError:
            continue  # the code that needs the file reports that it is missing
        if sticky and about.st_mode & stat.S_ISVTX:
            continue  # sticky, such as /tmp: a user cannot replace the files of another user
        if about.st_mode & (OTHERS_WRITE | also):
            verb = "changed" if about.st_mode & OTHERS_WRITE else "read"
            yield key, f"{what} {path} can be {verb} by others; run {mend} {path}"
        elif about.st_uid not in (os.geteuid(), 0):
            yield key, f"{what} {path} belongs to another user (uid {about.st_uid}), who may change it"
