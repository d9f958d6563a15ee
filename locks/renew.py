"""Renews the locks with uv: `python -m locks.renew [--upgrade]`; what `make lock` runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from locks.pins import CHAIN, HERE, ROOT, SOURCES, pins, read

PYTHON = "3.11"  # the oldest; later ones and other machines are told by markers
HEAD = "# Written by `make lock`: every file of every version by its hash.\n"


def renew(*, upgrade: bool) -> None:
    """Resolve every lock again; without `upgrade` a version stays unless something forbids it."""
    for name in SOURCES:
        earlier = CHAIN[: CHAIN.index(name)] if name in CHAIN else ()
        had = {pin.name for one in earlier for pin in read(one)}
        target = HERE / f"{name}.txt"
        whole = HERE / f".{name}.txt"  # of a chain, with all that is installed before
        kept = [HERE / f"{one}.txt" for one in (*earlier, name)]
        whole.write_text("".join(one.read_text(encoding="utf-8") for one in kept if one.exists()), encoding="utf-8")
        command = [
            "uv", "pip", "compile", "--universal", "--python-version", PYTHON, "--generate-hashes", "--no-header",
            "--quiet", "--output-file", whole.relative_to(ROOT).as_posix(), *(["--upgrade"] if upgrade else []),
            *(word for one in earlier for word in ("--constraint", f"locks/{one}.txt")), *SOURCES[name],
        ]  # fmt: skip
        try:
            subprocess.run(command, cwd=ROOT, env=os.environ | _index(), check=True)
            chosen = [pin for pin in pins(whole.read_text(encoding="utf-8")) if pin.name not in had]
        finally:
            whole.unlink()
        target.write_text(HEAD + "".join(f"{pin.text}\n" for pin in chosen), encoding="utf-8")
        sys.stdout.write(f"{target.relative_to(ROOT)}: {len(chosen)} packages\n")


def _index() -> dict[str, str]:
    # Where packages come from is said to the installer, machine by machine, and nowhere else.
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    said = dict(re.findall(r"^(?:global|install|:env:)\.([\w-]+)='(.*)'$", listed.stdout, re.MULTILINE))
    names = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}
    return {there: said[here] for here, there in names.items() if here in said}


if __name__ == "__main__":
    renew(upgrade=sys.argv[1:] == ["--upgrade"])
