"""Audits an environment: `python -m locks.audit LOCK...`; what `make audit` runs.

Is what is installed what the locks say, and does a published advisory speak of anything in them.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import urllib.request
from collections.abc import Iterable, Sequence
from http.client import HTTPException

from locks.pins import HERE, SOURCES, Pin, canonical, read

OURS = "tradebot"
ADVISORIES = "https://api.osv.dev/v1/querybatch"  # holds the advisories of the Python Packaging Authority and GitHub
ANSWER_WITHIN_S = 10.0
LARGEST = 16 << 20
AT_ONCE = 500  # the service takes a thousand


def audit(
    locks: Sequence[str], *, service: str = ADVISORIES, installed: Iterable[tuple[str, str]] | None = None
) -> int:
    """Compare this environment with `locks`, and every lock with the published advisories; returns the exit code.

    Where the service does not answer it says that nothing is known of advisories, and does not fail for that.
    """
    strays = foreign([pin for name in locks for pin in read(name)], _installed() if installed is None else installed)
    for stray in strays:
        _say(f"audit: {stray}")
    every = sorted({(pin.name, pin.version) for name in SOURCES for pin in read(name)})
    try:
        found = advisories(every, service)
    except (OSError, HTTPException, ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"{service}: {' '.join(str(error).split())}"
        _say(f"audit: no advisories were read, so nothing is known of vulnerabilities ({why})")
        found = {}
    else:
        _say(f"audit: {len(found)} of {len(every)} packages have published advisories")
    borne = accepted()
    for (name, version), ids in sorted(found.items()):
        _say(f"audit: {name} {version}: " + ", ".join(f"{id_} ({borne.get(id_, 'not accepted')})" for id_ in ids))
    if not strays:
        _say(f"audit: every installed package is in the locks {', '.join(locks)}, in its version")
    return 1 if strays or {id_ for ids in found.values() for id_ in ids} - borne.keys() else 0


def foreign(locked: Iterable[Pin], installed: Iterable[tuple[str, str]]) -> list[str]:
    """Return what is installed, as (name, version), and is not so in the lock, a sentence each."""
    versions: dict[str, set[str]] = {}
    for pin in locked:
        versions.setdefault(pin.name, set()).add(pin.version)
    told = []
    for name, version in sorted({(canonical(name), version) for name, version in installed}):
        if name != OURS and version not in versions.get(name, ()):
            wanted = " or ".join(sorted(versions.get(name, ()))) or "none"
            told.append(f"{name} {version} is installed, the locks have {wanted}")
    return told


def advisories(wanted: Sequence[tuple[str, str]], service: str) -> dict[tuple[str, str], list[str]]:
    """Return the ids of the advisories of each package that has some. Raises OSError, ValueError and the like."""
    found = {}
    for first in range(0, len(wanted), AT_ONCE):
        some = wanted[first : first + AT_ONCE]
        asked = [{"package": {"name": name, "ecosystem": "PyPI"}, "version": version} for name, version in some]
        request = urllib.request.Request(
            service, json.dumps({"queries": asked}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=ANSWER_WITHIN_S) as answer:
            results = json.loads(answer.read(LARGEST))["results"]
        for one, result in zip(some, results, strict=True):
            if ids := sorted(str(vulnerability["id"]) for vulnerability in result.get("vulns", ())):
                found[one] = ids
    return found


def accepted() -> dict[str, str]:
    """Return the advisories that we live with: id -> why."""
    lines = (HERE / "accepted.txt").read_text(encoding="utf-8").splitlines()
    words = (line.partition(" ") for line in lines if line and not line.startswith("#"))
    return {id_: why.strip() for id_, _, why in words}


def _installed() -> list[tuple[str, str]]:
    return [(one.metadata["Name"], one.version) for one in importlib.metadata.distributions()]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(audit(sys.argv[1:]))
