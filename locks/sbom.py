"""Tells what we are made of, as a CycloneDX bill of materials: `python -m locks.sbom FILE`; what `make sbom` runs."""

from __future__ import annotations

import json
import sys
import tomllib
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from locks.pins import CHAIN, ROOT, Pin, read

OURS = "tradebot"


def sbom(chain: Mapping[str, Sequence[Pin]], version: str) -> dict[str, Any]:
    """Return the bill of materials as CycloneDX 1.6: what runs is required, what only tests is excluded."""
    every = [(pin, "excluded" if name == "dev" else "required") for name in chain for pin in chain[name]]
    refs = {OURS: f"pkg:pypi/{OURS}@{version}"} | {pin.name: f"pkg:pypi/{pin.name}@{pin.version}" for pin, _ in every}
    needs: dict[str, list[str]] = {ref: [] for ref in refs.values()}
    for pin, _ in every:
        for by in pin.wanted_by:
            needs[refs.get(by, refs[OURS])].append(refs[pin.name])
    components = [
        {
            "type": "library", "bom-ref": refs[pin.name], "name": pin.name, "version": pin.version, "scope": scope,
            "purl": refs[pin.name], "hashes": [{"alg": "SHA-256", "content": hash_} for hash_ in pin.hashes],
        }
        for pin, scope in every
    ]  # fmt: skip
    content = json.dumps([components, needs], sort_keys=True)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # The same locks give the same bill.
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application", "bom-ref": refs[OURS], "name": OURS, "version": version, "purl": refs[OURS],
                "licenses": [{"license": {"id": "MIT"}}],
            },
        },
        "components": components,
        "dependencies": [{"ref": ref, "dependsOn": sorted(set(on))} for ref, on in sorted(needs.items())],
    }  # fmt: skip


def _write_sbom(path: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(sbom({name: read(name) for name in CHAIN}, version), indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    _write_sbom(Path(sys.argv[1]))
