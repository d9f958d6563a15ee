"""Which parts of a run are fit for trading, and why not; a feed is wanted in a session alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from tests.control.api_rig import VITALS, ApiRig
from tradebot.clock import SECOND
from tradebot.control.readiness import ready_parts
from tradebot.control.run_parts import RunParts
from tradebot.domain.messages import LinkDown
from tradebot.errors import StateError

WORKS = SimpleNamespace(error=None)


def troubles(parts: RunParts, journal: SimpleNamespace = WORKS) -> dict[str, str]:
    found = ready_parts(parts, journal)
    assert [part.name for part in found] == ["trading", "feed", "broker", "journal", "store"]
    assert [part.ready for part in found] == [not part.reason for part in found]
    return {part.name: part.reason for part in found if part.reason}


def test_each_part_says_why_it_is_not_fit(tmp_path: Path) -> None:
    rig = ApiRig(tmp_path)
    lags = VITALS | {"store": {"fed": 1, "behind": 9, "trouble": "no answer"}}
    starts = rig.parts._replace(is_trading=lambda: False, vitals=lambda: lags)
    failed = SimpleNamespace(error=StateError("the disk is gone"))
    assert troubles(starts, failed) == {
        "trading": "the daemon is starting",
        "feed": "no quote has come yet",
        "journal": "the disk is gone",
        "store": "no answer",
    }


def test_a_feed_is_wanted_in_a_session_alone(tmp_path: Path) -> None:
    rig = ApiRig(tmp_path)
    rig.desk_rig.quote("AAA", "1000")
    assert not troubles(rig.parts)
    rig.desk_rig.desk.apply_message(LinkDown(source="kite", mono=rig.desk_rig.mono, reason="no data for 5 s"))
    assert troubles(rig.parts) == {"feed": "kite: no data for 5 s"}
    rig.clock.now_ns += 22_500 * SECOND
    assert not rig.parts.read_state().session["is_open"]
    assert not troubles(rig.parts)
