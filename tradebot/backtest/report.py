"""The report of a backtest: one page with all it needs inside, and the same data as JSON beside it.

The page opens from disk with the network off: the chart libraries of `vendor/` are inside, the data is packed into it,
and its own policy forbids it to load anything.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import html
import os
import re
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from tradebot.errors import DataError

JSON_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def render_page(story: dict[str, Any]) -> str:
    """Return the page for the data of a report (see `report_data.report_data`)."""
    return fill_template(
        _read("page/report.html"),
        title=story["title"],
        styles=_read("vendor/uPlot.css"),
        script=_read("page/report.js"),
        charts=_inside(_read("vendor/lightweight-charts.js")) + "\n" + _inside(_read("vendor/uPlot.js")),
        story=story,
    )


def fill_template(body: str, *, title: str, story: dict[str, Any], styles: str, script: str, **parts: str) -> str:
    """Return a page from its body: each `{{name}}` becomes that part; the title is escaped, the data packed.

    All pages share their head, the end of their styles, and the beginning of their script.
    """
    packed = gzip.compress(orjson.dumps(story, option=JSON_OPTIONS), 9, mtime=0)
    parts |= {"title": html.escape(title), "story": base64.b64encode(packed).decode("ascii")}
    parts |= {"styles": styles + _read("page/report.css"), "script": _read("page/page.js") + script}
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _read("page/head.html") + body)


def write_report(path: Path, story: dict[str, Any], summary: dict[str, Any]) -> Path:
    """Write the page to `path`, and its figures to the same name with `.json`; return the path of the JSON.

    The JSON is `summary` with the hashes, months, equity curve and trades of `story`. Each file appears whole or not at
    all. Raises DataError where they cannot be written.
    """
    check_report_path(path)
    beside = path.with_suffix(".json")
    write_file_atomically(path, render_page(story).encode())
    figures = summary | {name: story[name] for name in ("hashes", "months", "equity", "trades", "trades_of")}
    write_file_atomically(beside, orjson.dumps(figures, option=JSON_OPTIONS | orjson.OPT_INDENT_2))
    return beside


def check_report_path(path: Path) -> None:
    """Refuse a path where no report can be written, before the work for it is done. Raises DataError."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise DataError(f"the report {path} must end in .html; its figures go to the same name with .json")
    if not path.parent.is_dir():
        raise DataError(f"the report {path}: the folder {path.parent} does not exist")


def write_file_atomically(path: Path, body: bytes) -> None:
    """Write a file whole or leave it as it was, and leave nothing beside it. Raises DataError."""
    unfinished = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            unfinished = Path(file.name)
            file.write(body)
        unfinished.chmod(0o644)
        os.replace(unfinished, path)
    except OSError as fault:
        if unfinished is not None:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
        raise DataError(f"{path} cannot be written: {fault.strerror or fault}") from fault


def _read(name: str) -> str:
    return files("tradebot.backtest").joinpath(name).read_text(encoding="utf-8")


def _inside(script: str) -> str:
    # A script ends at the first such tag, even one inside a string.
    return script.replace("</script", "<\\/script")
