"""Checks of the machine: figures of each kind get their colour, and a remedy where it is not green."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from tradebot.doctor.finding import Colour
from tradebot.doctor.host_checks import (
    check_disk,
    check_open_files,
    check_python,
    import_failures,
    judge_clock,
    judge_disk,
    judge_open_files,
    judge_packages,
    judge_python,
    missed_terms,
    requirements,
)

WANTED = [
    "numpy<3,>=2.2",
    "ta-lib<0.9,>=0.8.2",
    "uvloop<1,>=0.23; sys_platform != 'win32'",
    "duckdb>=2; extra == 'data'",
]


def test_this_machine_has_what_the_daemon_needs() -> None:
    found = list(check_python())
    assert [(one.check, one.colour) for one in found] == [("python", Colour.GREEN), ("packages", Colour.GREEN)], found


@pytest.mark.parametrize(
    ("version", "terms", "missed"),
    [
        ("3.11.2", ">=3.11", ""),
        ("3.10.9", ">=3.11", ">=3.11"),
        ("3.0", "<3,>=2.2", "<3"),
        ("2.2", "<3,>=2.2.0", ""),
        ("2.10.1", ">=2.9", ""),
        ("3.0rc1", "<3", "<3"),
        ("0.9.0", "<0.9,>=0.8.2", "<0.9"),
        ("1.2", "!=1.2,==1.3", "!=1.2,==1.3"),
    ],
)
def test_a_version_is_compared_number_by_number(version: str, terms: str, missed: str) -> None:
    assert missed_terms(version, terms) == missed


def test_packages_that_are_missing_old_or_broken_are_named_each() -> None:
    assert [name for name, _ in requirements(WANTED)] == ["numpy", "ta-lib", "uvloop"]
    found = list(judge_packages(WANTED, {"numpy": "1.26.4", "uvloop": "0.23.1"}, {"uvloop": "libuv.so: not found"}))
    assert {one.colour for one in found} == {Colour.RED}
    assert [one.what for one in found] == [
        "numpy is 1.26.4, but >=2.2 is wanted",
        "ta-lib is not installed",
        "uvloop 0.23.1 cannot be imported: libuv.so: not found",
    ]
    assert judge_python("3.10.1", ">=3.11").colour is Colour.RED


def test_a_package_that_breaks_at_its_import_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = tmp_path / "torn_wheel-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: torn-wheel\nVersion: 1.0\n")
    (about / "top_level.txt").write_text("torn_wheel\n")
    (about / "RECORD").write_text("torn_wheel.py,,\n")
    (tmp_path / "torn_wheel.py").write_text("raise ImportError('undefined symbol:\\n PyInit')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert import_failures(["torn_wheel>=1"]) == {"torn_wheel": "undefined symbol: PyInit"}


@pytest.mark.parametrize(
    ("free_mb", "colour"), [(200, Colour.RED), (256, Colour.YELLOW), (1023, Colour.YELLOW), (1024, Colour.GREEN)]
)
def test_the_disk_is_judged_by_the_limits_of_the_settings(free_mb: int, colour: Colour) -> None:
    assert judge_disk(free_mb * 1_000_000, "/var", low_mb=1024, short_mb=256).colour is colour


def test_a_state_directory_that_is_not_there_yet_is_judged_by_the_folder_around_it(tmp_path: Path) -> None:
    (found,) = check_disk(tmp_path / "a/b/state", low_mb=0, short_mb=0)
    assert found.colour is Colour.GREEN
    assert found.what.endswith(f"at {tmp_path}")


@pytest.mark.parametrize(
    ("limit", "colour"),
    [(100, Colour.RED), (512, Colour.YELLOW), (1024, Colour.GREEN), (resource.RLIM_INFINITY, Colour.GREEN)],
)
def test_open_files_are_judged_by_what_a_run_needs(limit: int, colour: Colour) -> None:
    assert judge_open_files(limit).colour is colour
    assert len(list(check_open_files())) == 1


@pytest.mark.parametrize(
    ("offset_s", "colour"),
    [(0.4, Colour.GREEN), (-2.0, Colour.YELLOW), (5.0, Colour.RED), (-3600.0, Colour.RED), (None, Colour.YELLOW)],
)
def test_the_clock_is_judged_by_its_offset(offset_s: float | None, colour: Colour) -> None:
    found = judge_clock(offset_s, "https://broker")
    assert found.colour is colour
    assert bool(found.remedy) is (colour is not Colour.GREEN)
