"""The kill sweeps' scenarios and the warm processes that live them, for every test that kills lives of a daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

FORGES = 2
SCENARIOS: dict[str, list[list[Any]]] = {
    "a round trip": [["enter", "FILLS"], ["look"], ["exit", "FILLS"], ["look"]],
    "replies lost": [["enter", "LOSTREPLY", "RESTLOST", "LOSTREQ"], ["look"], ["wait", 62], ["look"], ["look"]],
    "ends at once": [["enter", "REFUSED", "NOTSENT"], ["enter", "LATER", "RESTS"], ["look"], ["wait", 4], ["look"]],
    "odd fills": [["enter", "EARLY", "EXCESS", "AFTER", "PARTS"], ["wait", 4], ["look"], ["quote", "94"], ["look"]],
    "cancels": [["enter", "RESTS", "HUSH", "MEETS"], ["wait", 4], ["look"], ["wait", 4], ["look"], ["exit", "MEETS"]],
    "a stop": [["enter", "FILLS", "HUSH", "AFTER", "EARLY"], ["stop"], ["look"], ["look"]],
    "a halt": [["enter", "FILLS", "RESTS", "PARTS"], ["halt"], ["quote", "94"], ["look"], ["exit", "PARTS"], ["look"]],
    "a price moves": [["enter", "HANGS"], ["look"], ["exit", "HANGS"], ["look"], ["wait", 4], ["look"]],
    "changes in doubt": [["enter", "HANGLOST", "HANGSTAYS"], ["look"], ["exit", "HANGLOST", "HANGSTAYS"], ["look"],
                         ["wait", 4], ["look"], ["wait", 12], ["look"]],
    "a change too late": [["enter", "HANGMEETS"], ["look"], ["exit", "HANGMEETS"], ["look"], ["wait", 4], ["look"]],
    "an exit in doubt": [["enter", "LOSTREPLY"], ["look"], ["exit", "LOSTREPLY"], ["wait", 62], ["look"], ["look"]],
    "doubt and a halt": [["enter", "LOSTREPLY", "RESTLOST"], ["halt"], ["look"], ["wait", 4], ["look"]],
    "a stop in doubt": [["enter", "RESTLOST", "LOSTREQ"], ["stop"], ["look"], ["look"]],
    "stops are hit": [["enter", "FILLS", "PARTS"], ["look"], ["quote", "94"], ["look"], ["wait", 4], ["look"]],
    "told twice": [["enter", "EARLY"], ["look"], ["look"], ["exit", "EARLY"], ["look"]],
    "rejects in a row": [["enter", "REFUSED"], ["enter", "LATER"], ["look"], ["enter", "REFUSED"], ["enter", "FILLS"]],
    "a stop meets fills": [["enter", "MEETS", "AFTER"], ["look"], ["stop"], ["look"], ["look"]],
    "the link breaks": [["enter", "RESTS", "FILLS", "RESTLOST"], ["down"], ["look"], ["wait", 4], ["up"], ["look"]],
    "a flatten": [["enter", "FILLS", "PARTS", "RESTS"], ["look"], ["flatten"], ["look"], ["wait", 4], ["look"]],
    "a resume": [["enter", "FILLS"], ["halt"], ["look"], ["resume"], ["enter", "RESTS"], ["exit", "FILLS"], ["look"]],
}  # fmt: skip

# Lives in which stops rest at the venue. A quote of 94 triggers those at 95; TRAIL symbols have a trailing stop.
RESTING_SCENARIOS: dict[str, list[list[Any]]] = {
    "a resting stop fires": [["enter", "STOPS", "STOPLOST", "STOPHANGS"], ["look"], ["look"], ["quote", "94"],
                             ["look"], ["wait", 4], ["look"], ["wait", 4], ["look"]],
    "a resting stop gives way": [["enter", "STOPS", "STOPHUSH", "STOPAFTER", "STOPMEETS"], ["look"], ["look"],
                                 ["exit", "STOPS", "STOPHUSH", "STOPAFTER", "STOPMEETS"], ["look"], ["wait", 3],
                                 ["look"], ["wait", 4], ["look"]],
    "a resting stop is refused": [["enter", "STOPNO", "STOPLATER"], ["look"], ["wait", 2], ["look"], ["wait", 4],
                                  ["look"], ["quote", "94"], ["look"]],
    "a resting stop follows": [["enter", "TRAILS", "TRAILLOST", "TRAILSTAYS"], ["look"], ["quote", "103"], ["wait", 6],
                               ["quote", "103"], ["look"], ["quote", "106"], ["wait", 12], ["quote", "106"], ["look"],
                               ["quote", "99"], ["look"], ["wait", 4], ["look"]],
    "a resting stop stays": [["enter", "STOPS", "PARTS"], ["look"], ["look"], ["stop"], ["look"], ["look"]],
    "a flatten of resting stops": [["enter", "STOPS", "PARTS"], ["look"], ["flatten"], ["look"], ["wait", 3], ["look"],
                                   ["wait", 4], ["look"]],
    "resting stops in the dark": [["enter", "STOPS", "STOPLOST"], ["down"], ["look"], ["wait", 4], ["quote", "94"],
                                  ["up"], ["look"], ["wait", 4], ["look"]],
}  # fmt: skip


class Forges:
    """The warm processes; `run` spreads jobs over them and returns the answers in the order of the jobs."""

    def __init__(self, root: Path) -> None:
        forge = Path(__file__).with_name("forge.py")
        self.processes = [
            subprocess.Popen(
                [sys.executable, str(forge), str(root / str(i))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            )
            for i in range(FORGES)
        ]  # fmt: skip
        self._whole: dict[tuple[str, str], dict[str, Any]] = {}

    def whole(self, name: str, by: str = "boundary") -> dict[str, Any]:
        """Return the answer of a scenario's life without a kill, which is lived once."""
        if (name, by) not in self._whole:
            (self._whole[name, by],) = self.run([job(name, 0, by=by)])
        return self._whole[name, by]

    def run(self, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = [{} for _ in jobs]

        def serve(i: int) -> None:
            process = self.processes[i]
            assert process.stdin is not None
            assert process.stdout is not None
            for n in range(i, len(jobs), FORGES):
                process.stdin.write(json.dumps(jobs[n]) + "\n")
                process.stdin.flush()
                line = process.stdout.readline()
                assert line, f"the forge died over {jobs[n]}"
                answers[n] = json.loads(line)

        with ThreadPoolExecutor(FORGES) as pool:
            list(pool.map(serve, range(FORGES)))
        return answers

    def close(self) -> None:
        for process in self.processes:
            process.communicate()


def job(name: str, *kills: int, by: str = "boundary", bug: str = "") -> dict[str, Any]:
    rests = name in RESTING_SCENARIOS
    steps = RESTING_SCENARIOS[name] if rests else SCENARIOS[name]
    return {"steps": steps, "kills": kills, "by": by, "bug": bug, "rests": rests}


def passed(forges: Forges, name: str, by: str) -> int:
    answer = forges.whole(name, by)
    assert answer["broken"] == [], f"without any kill: {answer}"
    return int(answer["passed"][0])


def assert_kept(jobs: list[dict[str, Any]], answers: list[dict[str, Any]]) -> None:
    faults = [f"kills {j['kills']} by {j['by']}: {a['broken']} in {a['folder']}" for j, a in zip(jobs, answers, strict=True) if a["broken"]]  # fmt: skip  # noqa: E501
    assert not faults, f"{len(faults)} of {len(jobs)}:\n" + "\n".join(faults[:5])
