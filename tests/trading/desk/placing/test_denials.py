"""What the gate denied is counted by control and strategy, and the first sentence of each is kept."""

from __future__ import annotations

from tradebot.trading.desk.placing.denials import Denial, Denials


def test_denials_are_counted_by_control_and_strategy_and_keep_the_first_reason() -> None:
    denials = Denials()
    for control, strategy, reason in (
        ("size", "s", "too large"), ("halt", "s", "by hand"), ("halt", "s", "again"), ("halt", "t", "by hand")
    ):  # fmt: skip
        denials.count_denial(control, strategy, reason)

    assert list(denials) == [
        Denial(control="size", strategy="s", count=1, reason="too large"),
        Denial(control="halt", strategy="s", count=2, reason="by hand"),
        Denial(control="halt", strategy="t", count=1, reason="by hand"),
    ]
    assert denials.total == 4
    assert list(denials.by_control.items()) == [("halt", 3), ("size", 1)], "the busiest first"


def test_denials_of_several_runs_add_up() -> None:
    one = Denial(control="halt", strategy="s", count=5, reason="by hand")
    both = Denials((one, one))
    both.count_denial("halt", "s", "again")
    assert (list(both), both.total) == ([Denial(control="halt", strategy="s", count=11, reason="by hand")], 11)
