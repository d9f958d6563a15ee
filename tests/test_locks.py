"""The locks: they cover what is asked for, every file has its hash, nothing is installed past them; audit and SBOM."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import threading
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from locks.audit import audit, foreign
from locks.pins import CHAIN, ROOT, SOURCES, Pin, canonical, pins, read
from locks.sbom import sbom

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", SOURCES)
def test_every_line_of_a_lock_is_one_version_with_the_hashes_of_its_files(name: str) -> None:
    text = (ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8")
    found = read(name)
    assert found
    assert [pin.name for pin in found if not pin.hashes] == []
    assert [pin.name for pin in found] == sorted(pin.name for pin in found)
    assert text.count("--hash=") == sum(len(pin.hashes) for pin in found)
    assert "://" not in text
    assert not [line for line in text.splitlines() if line.startswith(("-", " -"))]


def test_the_locks_of_one_environment_share_no_package() -> None:
    names = Counter(pin.name for name in CHAIN for pin in read(name))
    assert [name for name, count in names.items() if count > 1] == []


def test_the_locks_hold_what_the_project_asks_for_in_versions_that_it_takes() -> None:
    build = {pin.name: pin.version for pin in read("build")}
    run = build | {pin.name: pin.version for pin in read("run")}
    every = run | {pin.name: pin.version for pin in read("dev")}
    extras = PROJECT["project"]["optional-dependencies"]
    for asked, locked in (
        (PROJECT["build-system"]["requires"], build),
        (PROJECT["project"]["dependencies"], run),
        ([text for texts in extras.values() for text in texts], every),
    ):
        for requirement in map(Requirement, asked):
            if (name := canonical(requirement.name)) != "tradebot":
                assert name in locked, f"{name} is in no lock; run make lock"
                assert requirement.specifier.contains(locked[name]), f"{name} {locked[name]}; run make lock"


def test_compiled_packages_have_files_for_every_python_and_both_machines() -> None:
    # Three Pythons on two machines are six wheels at least, where a package is not of one wheel for all of them.
    hashes = {pin.name: len(pin.hashes) for name in CHAIN for pin in read(name)}
    assert {
        name: hashes[name] for name in ("aiohttp", "numpy", "pandas", "msgspec", "uvloop") if hashes[name] < 6
    } == {}


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("target", ["check", "sdk-env", "rivals-env", "lock"])
def test_make_installs_by_hash_alone_and_fetches_nothing_for_a_build(target: str) -> None:
    command = ["make", "--always-make", "--dry-run", target]
    plan = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    installs = [line for line in plan.splitlines() if " pip install " in line]
    assert installs
    for line in installs:
        by_hash = "--require-hashes" in line and "--only-binary :all:" in line and " -r locks/" in line
        ourselves = line.endswith(" --editable .")
        assert by_hash or ourselves, line
        assert "--no-build-isolation" in line, line
        assert "--no-deps" in line, line


def test_a_lock_is_read_with_what_wants_each_package() -> None:
    hash_ = "a" * 64
    text = f"""# head
Ta.Lib==0.8.2 \\
    --hash=sha256:{hash_}
    # via tradebot (pyproject.toml)
uvloop==0.23.0 ; sys_platform != 'win32' \\
    --hash=sha256:{hash_}
    # via
    #   -c locks/build.txt
    #   Some_One
    #   tradebot (pyproject.toml)
"""
    one, other = pins(text)
    assert one[:4] == ("ta-lib", "0.8.2", (hash_,), ("tradebot",))
    assert other[:4] == ("uvloop", "0.23.0", (hash_,), ("some-one", "tradebot"))
    with pytest.raises(ValueError, match="no pinned version: pytest>=9"):
        pins("pytest>=9\n")


# ---- the audit


@contextmanager
def answering(answer: Any) -> Iterator[tuple[str, list[Any]]]:
    asked: list[Any] = []

    class Advisories(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            asked.extend(queries)
            body = json.dumps(answer(queries)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Advisories) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/querybatch", asked
        finally:
            server.shutdown()
            thread.join()


def exact() -> list[tuple[str, str]]:
    return [(pin.name, pin.version) for name in CHAIN for pin in read(name)]


def clean(queries: list[Any]) -> Any:
    return {"results": [{} for _ in queries]}


def bad_click(queries: list[Any]) -> Any:
    return {"results": [{"vulns": [{"id": "X-1"}]} if q["package"]["name"] == "click" else {} for q in queries]}


def test_an_environment_as_locked_without_advisories_passes(capsys: pytest.CaptureFixture[str]) -> None:
    with answering(clean) as (address, asked):
        assert audit(CHAIN, service=address, installed=[*exact(), ("tradebot", "0.1.0")]) == 0
    said = capsys.readouterr().out
    assert f"audit: 0 of {len(asked)} packages have published advisories" in said
    assert {"package": {"name": "numpy", "ecosystem": "PyPI"}, "version": dict(exact())["numpy"]} in asked
    assert {canonical(name) for name, _ in exact()} <= {query["package"]["name"] for query in asked}


def test_an_advisory_fails_the_audit_until_it_is_accepted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(bad_click) as (address, _):
        assert audit(CHAIN, service=address, installed=exact()) == 1
        assert "X-1 (not accepted)" in capsys.readouterr().out
        monkeypatch.setattr("locks.audit.accepted", lambda: {"X-1": "prints only"})
        assert audit(CHAIN, service=address, installed=exact()) == 0
    assert "X-1 (prints only)" in capsys.readouterr().out


@pytest.mark.parametrize("answer", [lambda queries: {"results": []}, lambda queries: [], lambda queries: "no", None])
def test_without_an_answer_nothing_is_claimed(answer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(answer or clean) as (address, _):
        address = address if answer else "http://127.0.0.1:1/"  # nothing listens there
        assert audit(CHAIN, service=address, installed=exact()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("no advisories were read, so nothing is known of vulnerabilities" in line for line in lines) == 1
    assert not [line for line in lines if "have published advisories" in line]


def test_what_is_in_no_lock_or_of_another_version_fails_the_audit(capsys: pytest.CaptureFixture[str]) -> None:
    odd = [("Left_Pad", "1.0"), ("numpy", "1.0"), *((n, v) for n, v in exact() if n != "numpy")]
    with answering(clean) as (address, _):
        assert audit(CHAIN, service=address, installed=odd) == 1
    said = capsys.readouterr().out
    assert "left-pad 1.0 is installed, the locks have none" in said
    assert f"numpy 1.0 is installed, the locks have {dict(exact())['numpy']}" in said
    assert "every installed package" not in said


def test_either_version_of_a_lock_that_differs_by_python_is_right() -> None:
    locked = [Pin("numpy", version, (), (), "") for version in ("2.4.6", "2.5.5")]
    assert foreign(locked, [("numpy", "2.5.5")]) == []


def test_these_tests_run_on_locked_versions_of_what_decides() -> None:
    locked = dict(exact())
    for name in ("numpy", "msgspec", "ta-lib", "aiohttp", "pydantic"):
        assert importlib.metadata.version(name) == locked[name]


# ---- the bill of materials


def test_the_bill_names_every_package_with_its_hashes_and_what_needs_it() -> None:
    chain = {name: read(name) for name in CHAIN}
    bill = sbom(chain, "1.2.3")
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    components = {one["name"]: one for one in bill["components"]}
    assert components.keys() == {pin.name for name in CHAIN for pin in chain[name]}
    numpy = components["numpy"]
    assert numpy["purl"] == numpy["bom-ref"] == f"pkg:pypi/numpy@{numpy['version']}"
    assert {h["alg"] for h in numpy["hashes"]} == {"SHA-256"}
    assert (numpy["scope"], components["pytest"]["scope"]) == ("required", "excluded")
    refs = [bill["metadata"]["component"]["bom-ref"], *(one["bom-ref"] for one in bill["components"])]
    assert len(refs) == len(set(refs))
    needs = {one["ref"]: one["dependsOn"] for one in bill["dependencies"]}
    assert set(needs) == set(refs)
    assert {ref for on in needs.values() for ref in on} <= set(refs)
    assert numpy["bom-ref"] in needs["pkg:pypi/tradebot@1.2.3"]
    assert components["yarl"]["bom-ref"] in needs[components["aiohttp"]["bom-ref"]]
    assert sbom(chain, "1.2.3") == bill


def test_the_policy_names_no_address_of_its_own() -> None:
    text = (Path(ROOT) / "SECURITY.md").read_text(encoding="utf-8")
    assert "@" not in text
    assert "://" not in text
