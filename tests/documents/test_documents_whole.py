"""Every command of the documents, those that measure and sweep as well, one after the other as a reader types them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documents.house import House
from tests.documents.play import play
from tests.documents.typed import shown

pytestmark = pytest.mark.timeout(600)


def test_every_command_runs_and_those_that_take_long_do_too(tmp_path: Path) -> None:
    with House(tmp_path) as house:
        wrong = play(shown(), house, is_whole=True)
    assert not wrong, "\n".join(wrong)
