"""The verbs that read the journal, as a person or a script calls them."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.journal.ledger_by_hand import (
    MINUTE,
    START,
    UNIVERSE,
    close,
    fact,
    fill,
    filled_order,
    intent,
    orders,
    request,
    run,
    tamper,
    write,
)
from tradebot.__main__ import run_command_line as tradebot
from tradebot.__main__ import tradebot as verbs
from tradebot.clock import ManualClock
from tradebot.domain.messages import Action, Signal, Signals
from tradebot.domain.order import OrderEvent, OrderEventType, Side
from tradebot.errors import DataError, ExitCode, StateError
from tradebot.journal.reader import verify_chain
from tradebot.journal.writer import Journal

E = OrderEventType
MS = 1_000_000
SIGNAL = Signal(
    signal_id="ema-RELIANCE-1", strategy="ema_cross", symbol="RELIANCE", action=Action.ENTER_LONG,
    bar_at=START + MINUTE, quoted_at=1_000 * MS, made_at=1_001 * MS, close=2500.5,
    inputs={"fast": 2501.25, "slow": 2499.0},
)  # fmt: skip


def explained() -> list[OrderEvent]:
    asked = request(
        "TB00001", signal_id="ema-RELIANCE-1", strategy="ema_cross", reason="ema_cross: enter_long",
        quoted_at=1_000 * MS, signaled_at=1_001 * MS, decided_at=1_002 * MS, stop_loss=Decimal("2480.05"),
    )  # fmt: skip
    first = fact(
        "TB00001", E.INTENT, mono=1_002 * MS, request=asked, checks=("halt: ok", "price collar: ok"),
        inputs=SIGNAL.inputs,
    )  # fmt: skip
    return [
        first,
        fact("TB00001", E.SENDING, mono=1_003 * MS),
        fact("TB00001", E.ACCEPTED, mono=1_043 * MS, venue_order_id="v-TB00001"),
        fill("TB00001", quantity=4, price="2500.50"),
        fill("TB00001", quantity=6, price="2501.00"),
    ]


def call(name: str, state_dir: Path, *args: str) -> Result:
    return CliRunner().invoke(verbs, [name, *args, "--state-dir", str(state_dir)])


def said(name: str, state_dir: Path, *args: str) -> str:
    result = call(name, state_dir, *args)
    if result.exception is not None:
        raise result.exception
    return result.stdout


async def a_day(state_dir: Path) -> Path:
    return await write(
        state_dir,
        ("run", run()),
        ("universe", UNIVERSE),
        ("close", close()),
        ("signals", Signals(at=START, interval=MINUTE, signals=(SIGNAL,))),
        *orders(
            *explained(),
            *filled_order("TB00002", quantity=3, price="2510.00", side=Side.SELL),
            intent("TX00003", symbol="TCS"),
        ),
    )


async def test_why_tells_the_whole_story(tmp_path: Path) -> None:
    await a_day(tmp_path)

    text = said("why", tmp_path, "TB00001")

    for part in (
        "TB00001: BUY 10 NSE:RELIANCE MARKET MIS, entry, run r1",
        "ema_cross enter_long on the bar that ended 2026-11-23T09:16:00",
        "fast = 2501.25, slow = 2499.0",
        "stop_loss 2480.05",
        "halt: ok",
        "price collar: ok",
        "quote to signal 1.000 ms",
        "sending to answer 40.000 ms",
        "quote to answer 43.000 ms",
        "+40.000",
        "4 at 2500.50, execution x-TB00001-4",
        "venue order v-TB00001",
        "now       FILLED, 10 of 10 filled at 2500.8",
    ):
        assert part in text
    states = ("INTENT", "SENDING", "ACKED", "PARTIAL", "FILLED")
    assert [text.index(f" {state} ") for state in states] == sorted(text.index(f" {state} ") for state in states)


async def test_why_as_json_holds_the_same(tmp_path: Path) -> None:
    await a_day(tmp_path)

    told = json.loads(said("why", tmp_path, "TB00001", "--json"))

    assert told["inputs"] == {"fast": 2501.25, "slow": 2499.0}
    assert told["checks"] == ["halt: ok", "price collar: ok"]
    assert told["latencies_us"]["decision_to_sending"] == 1000
    assert [step["state"] for step in told["steps"]] == ["INTENT", "SENDING", "ACKED", "PARTIAL", "FILLED"]
    assert told["order"]["state"] == "FILLED"


async def test_why_takes_the_beginning_of_an_id_while_one_order_has_it(tmp_path: Path) -> None:
    await a_day(tmp_path)

    assert said("why", tmp_path, "TX").startswith("TX00003: ")
    with pytest.raises(DataError, match=r"2 orders begin with TB: TB00001, TB00002$"):
        said("why", tmp_path, "TB")


async def test_why_takes_a_whole_id_that_begins_another(tmp_path: Path) -> None:
    await write(tmp_path, *orders(intent("TB1"), intent("TB12")))

    assert said("why", tmp_path, "TB1").startswith("TB1: ")


async def test_why_names_the_nearest_ids_for_one_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await a_day(tmp_path)

    code = tradebot(["why", "TB00010", "--state-dir", str(tmp_path)])

    assert code == ExitCode.DATA
    assert "there is no order TB00010 in the journal; near it: TB0000" in capsys.readouterr().err


async def test_why_of_an_order_without_a_strategy_names_its_reason(tmp_path: Path) -> None:
    await write(
        tmp_path, *orders(fact("TB1", E.DENIED, request=request("TB1", reason="square-off"), reason="halt: halted"))
    )

    text = said("why", tmp_path, "TB1")

    assert "because   square-off" in text
    assert "now       DENIED, 0 of 10 filled: halt: halted" in text


async def test_what_a_venue_wrote_cannot_move_the_cursor(tmp_path: Path) -> None:
    await write(
        tmp_path,
        *orders(intent("TB1"), fact("TB1", E.SENDING), fact("TB1", E.REFUSED, reason="\x1b[2J[red]no\nTB9: BUY[/red]")),
    )

    text = said("why", tmp_path, "TB1") + said("orders", tmp_path)

    assert "\x1b" not in text
    assert "\nTB9" not in text
    assert "[red]no TB9: BUY[/red]" in text


async def test_orders_lists_them_and_the_live_ones_alone(tmp_path: Path) -> None:
    await a_day(tmp_path)

    head, *lines = said("orders", tmp_path).splitlines()
    listed = [dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in lines]
    live = json.loads(said("orders", tmp_path, "--live", "--json"))

    assert [(o["order_id"], o["state"], o["average_price"]) for o in listed] == [
        ("TB00001", "FILLED", "2500.8"),
        ("TB00002", "FILLED", "2510"),
        ("TX00003", "INTENT", ""),
    ]
    assert [o["order_id"] for o in live] == ["TX00003"]


async def test_trades_lists_each_fill_once(tmp_path: Path) -> None:
    await write(tmp_path, *orders(*explained(), fill("TB00001", quantity=4, price="2500.50")))

    listed = json.loads(said("trades", tmp_path, "--json"))

    assert [(t["execution_id"], t["quantity"], t["price"], t["strategy"]) for t in listed] == [
        ("x-TB00001-4", "4", "2500.50", "ema_cross"),
        ("x-TB00001-6", "6", "2501.00", "ema_cross"),
    ]


async def test_positions_add_up(tmp_path: Path) -> None:
    await a_day(tmp_path)

    listed = json.loads(said("positions", tmp_path, "--json"))

    assert listed == [
        {
            "exchange": "NSE", "symbol": "RELIANCE", "product": "MIS", "owner": "ours", "quantity": "7",
            "average_price": "2500.8", "realized": "27.6", "bought": "25008", "sold": "7530",
        }
    ]  # fmt: skip


async def test_bars_come_as_csv_json_and_text(tmp_path: Path) -> None:
    await a_day(tmp_path)
    values = ("2026-11-23T09:15:00.000000+05:30", "2500.01", "2501.01", "2499.01", "2500.51", "5000000000")

    head, line = said("bars", tmp_path, "TCS", "--csv").splitlines()
    (listed,) = json.loads(said("bars", tmp_path, "TCS", "--json"))

    assert head == "start,open,high,low,close,volume"
    assert line == ",".join(values)
    assert tuple(listed.values()) == values
    assert said("bars", tmp_path, "TCS").splitlines()[1] == "\t".join(values)


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (["TCS", "--interval", "5m"], "holds no 5m bars of TCS"),
        (["WIPRO"], "holds no 1m bars of WIPRO"),
        (["TCS", "--since", "2026-11-24"], "holds no 1m bars of TCS"),
    ],
)
async def test_bars_that_are_not_there_are_an_error(tmp_path: Path, args: list[str], problem: str) -> None:
    await a_day(tmp_path)

    with pytest.raises(DataError, match=problem):
        said("bars", tmp_path, *args)


@pytest.mark.parametrize("args", [["--interval", "1 minute"], ["--interval", "0m"], ["--since", "yesterday"]])
async def test_a_bad_option_is_a_usage_error(tmp_path: Path, args: list[str]) -> None:
    await a_day(tmp_path)

    result = call("bars", tmp_path, "TCS", *args)

    assert result.exit_code == ExitCode.USAGE
    assert args[0] in result.stderr


async def test_verify_prints_rows_and_head(tmp_path: Path) -> None:
    path = await a_day(tmp_path)
    head = verify_chain(path).head.hex()

    assert said("verify", tmp_path) == f"{path}: intact, 14 rows, head {head}\n"
    assert said("verify", Path("elsewhere"), str(path)) == said("verify", Path("elsewhere"), str(tmp_path))
    assert json.loads(said("verify", tmp_path, "--json"))["head"] == head
    assert said("verify", tmp_path, "--head", head)


async def test_verify_exits_with_73_and_names_the_broken_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = await a_day(tmp_path)
    tamper(path, "DELETE FROM rows WHERE seq = 5")

    code = tradebot(["verify", str(path)])

    assert code == ExitCode.CANNOT_CREATE
    assert "row 5 is missing; the 4 rows before it are intact" in capsys.readouterr().err


async def test_verify_misses_a_head_that_was_cut_off(tmp_path: Path) -> None:
    path = await a_day(tmp_path)
    head = verify_chain(path).head.hex()
    tamper(path, "DELETE FROM rows WHERE seq > 10")

    with pytest.raises(StateError, match="no row has the hash"):
        said("verify", tmp_path, "--head", head)


async def test_the_state_dir_comes_from_the_configuration(tmp_path: Path) -> None:
    state = tmp_path / "there"
    await a_day(state)
    (tmp_path / "config.toml").write_text(f'[app]\nstate_dir = "{state}"\n')

    result = CliRunner().invoke(verbs, ["orders", "--config", str(tmp_path / "config.toml"), "--json"])

    assert len(json.loads(result.stdout)) == 3


async def test_the_verbs_work_while_the_daemon_writes(tmp_path: Path) -> None:
    async with Journal(tmp_path, run="r1", clock=ManualClock(START)) as journal:
        for one in explained():
            journal.append("order", one, at=START)
        await journal.wait_durable()

        assert "FILLED" in said("why", tmp_path, "TB00001")
        assert len(json.loads(said("trades", tmp_path, "--json"))) == 2
        assert "5 rows" in said("verify", tmp_path)


async def test_nothing_to_list_says_so(tmp_path: Path) -> None:
    await write(tmp_path, ("run", run()))

    assert said("orders", tmp_path, "--json") == "[]\n"
    assert call("orders", tmp_path).stderr == "none\n"


async def test_an_indicator_without_a_value_is_told(tmp_path: Path) -> None:
    await write(tmp_path, *orders(fact("TB1", E.DENIED, request=request("TB1"), inputs={"rsi": math.nan})))

    assert "rsi = nan" in said("why", tmp_path, "TB1")
