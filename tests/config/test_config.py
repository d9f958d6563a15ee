"""Configuration: defaults, order of the sources, exact money, and every mistake shown with its place."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from tradebot.config import (
    Config,
    document,
    find_config_file,
    key_location,
    load_config,
    load_with_origins,
    parse_seconds,
)
from tradebot.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    return tmp_path


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def refusal(folder: Path, text: str) -> str:
    written(folder, text)
    with pytest.raises(ConfigError) as caught:
        load_config("config.toml")
    assert caught.value.exit_code == 78
    return str(caught.value)


def test_the_shipped_file_lists_every_default_with_a_comment() -> None:
    text = (ROOT / "config.toml").read_text()

    assert load_config(ROOT / "config.toml") == Config()
    assert text == document.render_toml(Config()), "run make schema"
    places = key_location.locate_keys(text)
    lines = text.splitlines()
    for name in Config.model_fields:
        one = getattr(Config(), name)
        section, path = (one, (name,)) if isinstance(one, BaseModel) else (one[0], (name, 0))
        for key in type(section).model_fields:
            assert "  # " in lines[places[(*path, key)][0] - 1], f"{name}.{key} has no comment"


def test_the_shipped_schema_is_current_and_refuses_unknown_keys() -> None:
    shipped = json.loads((ROOT / "tradebot/tradebot.schema.json").read_text())

    assert shipped == document.json_schema(), "run make schema"
    assert shipped["additionalProperties"] is False
    assert shipped["definitions"]["RiskSection"]["properties"]["orders_per_second"]["maximum"] == 9


def test_without_any_source_the_defaults_count(folder: Path) -> None:
    loaded = load_with_origins()

    assert loaded.config == Config()
    assert loaded.path is None
    assert (loaded.config.app.mode, loaded.config.venue.name) == ("paper", "embedded")


def test_a_later_source_wins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(folder, "[exchange]\nseed = 1\nspeed = 2.0\nlatency_ms = 3.0\n[kite]\napi_key = 'file'\n")
    secrets = folder / "credentials"
    secrets.mkdir()
    (secrets / "kite__api_key").write_text("credential\n")
    (secrets / "kite__access_token").write_text("credential\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(secrets))
    monkeypatch.setenv("TRADEBOT_EXCHANGE__SPEED", "20")
    monkeypatch.setenv("TRADEBOT_EXCHANGE__LATENCY_MS", "30")
    monkeypatch.setenv("TRADEBOT_KITE__ACCESS_TOKEN", "environment")

    loaded = load_with_origins(None, {"exchange.latency_ms": 300, "exchange.seed": None})

    exchange, kite = loaded.config.exchange, loaded.config.kite
    assert (exchange.seed, exchange.speed, exchange.latency_ms) == (1, 20.0, 300.0)
    assert kite.api_key.get_secret_value() == "credential"
    assert kite.access_token.get_secret_value() == "environment"
    assert loaded.origins["exchange", "seed"] == "config.toml:2"
    assert loaded.origins["exchange", "speed"] == "environment TRADEBOT_EXCHANGE__SPEED"
    assert loaded.origins["exchange", "latency_ms"] == "command line"
    assert loaded.origins["kite", "api_key"] == "credential file kite__api_key"


def test_lists_come_from_the_environment_as_people_write_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEBOT_APP__SYMBOLS", "reliance, TCS,RELIANCE")
    monkeypatch.setenv("TRADEBOT_RISK__PERMITTED_PRODUCTS", "MIS,CNC")
    monkeypatch.setenv("TRADEBOT_STRATEGY", '[{"name": "rsi_reversion", "params": {"low": 25}}]')

    config = load_config()

    assert config.app.symbols == ("RELIANCE", "TCS")
    assert config.risk.permitted_products == ("MIS", "CNC")
    assert (config.strategy[0].name, config.strategy[0].params) == ("rsi_reversion", {"low": 25})


def test_overrides_may_be_nested_or_dotted(folder: Path) -> None:
    assert (
        load_config(None, {"app": {"mode": "paper", "symbols": ["INFY"]}, "bars.interval": "5m"}).bars.interval == "5m"
    )


def test_files_are_searched_in_the_stated_order(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = folder / "xdg/tradebot/config.toml"
    own.parent.mkdir(parents=True)
    own.write_text("")
    assert find_config_file() == own

    written(folder, "")
    assert find_config_file() == Path("config.toml")

    (folder / "env.toml").write_text("")
    monkeypatch.setenv("TRADEBOT_CONFIG", "env.toml")
    assert find_config_file() == Path("env.toml")
    assert find_config_file("config.toml") == Path("config.toml")


def test_money_is_exact(folder: Path) -> None:
    written(folder, "[exchange]\ncash = 123456789.05\n[risk]\nprice_collar_pct = '0.35'\n")

    config = load_config()

    assert config.exchange.cash == Decimal("123456789.05")
    assert config.risk.price_collar_pct == Decimal("0.35")


def test_all_mistakes_are_shown_at_once_with_line_caret_and_suggestion(folder: Path) -> None:
    text = refusal(
        folder,
        '# limits\n[risk]\nmax_positon_notional = 5\nallow_short = "maybe"\n'
        '\n[[strategy]]\nname = "a"\n[[strategy]]\nnmae = "b"\n\n[analisis]\nworkers = 1\n',
    )

    assert text.splitlines() == [
        "config.toml:3:1: risk.max_positon_notional: unknown key, did you mean max_position_notional?",
        "    max_positon_notional = 5",
        "    ^^^^^^^^^^^^^^^^^^^^",
        "config.toml:4:1: risk.allow_short: should be a valid boolean, unable to interpret input",
        '    allow_short = "maybe"',
        "    ^^^^^^^^^^^",
        "config.toml:8:3: strategy[1].name: is missing",
        "    [[strategy]]",
        "      ^^^^^^^^",
        "config.toml:9:1: strategy[1].nmae: unknown key, did you mean name?",
        '    nmae = "b"',
        "    ^^^^",
        "config.toml:11:2: analisis: unknown section, did you mean analysis?",
        "    [analisis]",
        "     ^^^^^^^^",
    ]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("[app]\nmode = paper\n", "config.toml:2:8: invalid value"),
        ("[app\n", "config.toml:1:5: expected ']' at the end of a table declaration"),
        ("[app]\nmode = 'paper", "config.toml:2:14: "),
        ("[app]\nmode = 'paper'\nmode = 'live'\n", "config.toml:3:"),
        ("a = " + "[" * 3000, "config.toml"),
        ("seed = " + "9" * 5000, "config.toml"),
    ],
)
def test_a_syntax_error_is_pointed_at(folder: Path, text: str, first: str) -> None:
    assert refusal(folder, text).startswith(first)


@pytest.mark.parametrize(
    ("section", "line", "sentence"),
    [
        ("exchange", "cash = nan", "exchange.cash: should be a finite number"),
        ("exchange", "cash = inf", "exchange.cash: should be a finite number"),
        ("exchange", "speed = nan", "exchange.speed: should be a finite number"),
        ("exchange", "speed = true", "exchange.speed: should be a number, not true"),
        ("exchange", "cash = -1", "exchange.cash: should be more than 0"),
        ("exchange", "seed = 1.5", "exchange.seed: should be a valid integer"),
        ("exchange", "day = '2026-13-01'", "exchange.day: should be a date"),
        ("risk", "orders_per_second = 10", "risk.orders_per_second: should be at most 9"),
        ("risk", "max_order_notional = 10000001", "risk.max_order_notional: should be at most 10000000"),
        ("risk", "square_off_at = '25:00'", "risk.square_off_at: should be a time of day"),
        ("bars", "interval = '7m'", "bars.interval: should divide a day"),
        ("bars", "interval = '1.5s'", "bars.interval: should divide a day"),
        ("bars", "interval = 'soon'", "bars.interval: should be a duration"),
        ("app", "mode = 'demo'", "app.mode: should be 'paper' or 'live'"),
        ("app", "symbols = ['A B']", "app.symbols: symbols, character 1: 'A B' is not a symbol"),
        ("analysis", "workers = 99", "analysis.workers: should be 'auto' or a whole number from 0 to 64"),
        ("analysis", "workers = true", "analysis.workers: should be 'auto' or a whole number"),
        ("kite", "rest = 'ftp://x'", "kite.rest: should be an address"),
        ("kite", "rest = 'https://me:pw@x'", "kite.rest: should be an address"),
    ],
)
def test_a_value_out_of_bounds_is_refused(folder: Path, section: str, line: str, sentence: str) -> None:
    assert refusal(folder, f"[{section}]\n{line}\n").startswith(f"config.toml:2:1: {sentence}")


def test_a_section_that_is_no_table_is_refused(folder: Path) -> None:
    assert refusal(folder, "risk = 5\n").startswith("config.toml:1:1: risk: should be a table, [risk]")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "[risk]\nmax_order_notional = 30000\n",
            "config.toml:2:1: risk.max_order_notional: is 30000, more than max_pos",
        ),
        ("[risk]\norders_per_minute = 5\n", "risk.orders_per_second: is 8, more than orders_per_minute (5)"),
        ("[execution]\nproduct = 'CNC'\n", "execution.product: CNC is not in risk.permitted_products"),
        ("[exchange]\nprices = 'recorded'\n", "exchange.path: must name the files"),
        ("[app]\nmode = 'live'\n", "app.mode: is live, but venue.name is the embedded exchange"),
        ("[app]\nsymbols = []\n", "app.symbols: names no symbol"),
        ("[history]\nin_store = true\n", "history.in_store: is true, but store.dsn names no database"),
        ("[risk]\nentries_until = '15:20'\n", "risk.entries_until: is later than square_off_at"),
        ("[venue]\nname = 'kite'\n", "kite.api_secret: is missing; put it into the environment as TRADEBOT_KITE__A"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(folder: Path, text: str, sentence: str) -> None:
    assert sentence in refusal(folder, text)


def test_live_mode_wants_a_pinned_account_and_the_real_venue_encryption(folder: Path) -> None:
    text = refusal(
        folder,
        "[app]\nmode = 'live'\n[venue]\nname = 'kite'\n"
        "[kite]\napi_key = 'aaaa'\naccess_token = 'bbbb'\nrest = 'http://api.kite.trade'\n",
    )

    assert "kite.account_id: must name the account" in text
    assert "config.toml:8:1: kite.rest: must be encrypted" in text
    assert "aaaa" not in text


def test_a_bad_value_of_the_environment_names_the_variable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEBOT_RISK__MAX_ORDER_QUANTITY", "many")
    monkeypatch.setenv("TRADEBOT_RISK__MAX_ORDR_QUANTITY", "5")
    monkeypatch.setenv("TRADEBOT_RSK__X", "5")

    with pytest.raises(ConfigError) as caught:
        load_config()

    text = str(caught.value)
    assert "environment TRADEBOT_RISK__MAX_ORDER_QUANTITY: risk.max_order_quantity: should be a valid integer" in text
    assert "environment TRADEBOT_RISK__MAX_ORDR_QUANTITY: risk.max_ordr_quantity: unknown key, did you mean" in text
    assert "environment TRADEBOT_RSK__X: rsk: unknown section, did you mean risk?" in text


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_secret_in_a_file_that_others_can_read_is_refused(folder: Path, mode: int) -> None:
    path = written(folder, "[kite]\napi_key = 'abcd-secret'\n", mode)

    with pytest.raises(ConfigError) as caught:
        load_config(path)

    assert "kite.api_key: is a secret in a file that others can read; run chmod 600" in str(caught.value)
    assert "abcd-secret" not in str(caught.value)
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    assert load_config(path).kite.api_key.get_secret_value() == "abcd-secret"


def test_no_text_shows_a_secret(folder: Path) -> None:
    config = load_config(written(folder, "[kite]\napi_key = 'abcd-secret'\naccess_token = 'efgh-secret'\n"))

    shown = repr(config) + str(config) + document.render_toml(config) + json.dumps(document.plain_values(config))

    assert "abcd-secret" not in shown
    assert "efgh-secret" not in shown


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_a_file_that_cannot_be_read_is_one_sentence(folder: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"there is no such file|cannot be read: is a directory"):
        load_config(name)


def test_a_binary_file_is_one_sentence(folder: Path) -> None:
    (folder / "config.toml").write_bytes(b"[app]\n\xff\xfe")

    with pytest.raises(ConfigError, match=r"config\.toml:2:1: is not UTF-8 text"):
        load_config()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Config().risk.allow_short = True  # type: ignore[misc]


def test_the_defaults_read_neither_environment_nor_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEBOT_EXCHANGE__SEED", "99")

    assert Config().exchange.seed == 7


@pytest.mark.parametrize(("text", "value"), [("250ms", 0.25), ("90s", 90), ("5m", 300), ("1.5h", 5400), ("1d", 86400)])
def test_durations_are_written_with_their_unit(text: str, value: float) -> None:
    assert parse_seconds(text) == value


@pytest.mark.parametrize("text", ["", "5", "0s", "-1s", "5 m", "1e3s", "nan"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="should be a duration"):
        parse_seconds(text)


def test_derived_numbers_have_the_promised_units() -> None:
    config = Config()

    assert config.bars.interval_ns == 60_000_000_000
    assert config.app.stop_after_s is None


def test_keys_are_found_in_every_way_toml_can_write_them() -> None:
    text = """\
a.b = 1
[t]
x = '''
y = 2
[no]
'''
list = [ # ]
  "[",
  2,
]
"quoted key" = { in = 1 }
[[s]]
n = 1
[s.params]
m = 1
  [[s]]
  n = "[["
"""

    found = key_location.locate_keys(text)

    assert found == {
        ("a", "b"): (1, 1),
        ("t",): (2, 2),
        ("t", "x"): (3, 1),
        ("t", "list"): (7, 1),
        ("t", "quoted key"): (11, 1),
        ("s", 0): (12, 3),
        ("s", 0, "n"): (13, 1),
        ("s", 0, "params"): (14, 2),
        ("s", 0, "params", "m"): (15, 1),
        ("s", 1): (16, 5),
        ("s", 1, "n"): (17, 3),
    }


LINES = [
    "[risk]",
    "[app]",
    "[[strategy]]",
    "mode = 'live'",
    "x = nan",
    "seed = 1e999",
    "name = 'a'",
    "= 3",
    "[",
    '"""',
    "[exchange]",
]


@given(st.lists(st.sampled_from(LINES) | st.text(max_size=12), max_size=8))
def test_any_file_is_taken_or_refused_and_never_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.toml"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    os.chmod(path, 0o600)

    with contextlib.suppress(ConfigError):
        assert load_config(path).app.symbols


@pytest.mark.parametrize(
    "text",
    [
        "[kite]\naccess_token = {0}\n",  # quotes forgotten
        "[kite]\naccess_token = '{0}\n",  # not closed
        '[kite]\naccess_token = """{0}\n',
        "[kite]\nacces_token = '{0}'\n",  # typo in the key
        "[risk]\naccess_token = '{0}'\n",  # wrong section
        "access_token = '{0}'\n",  # top level
        "kite = '{0}'\n",
        "[kite]\napi_key = 'a'\napi_key = '{0}'\n",  # duplicate key
        '[kite]\naccess_token = "{0}\\q"\n',  # bad escape
        "[kite]\naccess_token = '{0}' and more\n",  # text after it
        "[kite]\naccess_token = '{0}', \n",
        "kite = {{ access_token = '{0}', mode = 5 }}\n",  # inline table with another key wrong
        "kite = {{ access_token = '{0}', unknown = 5 }}\n",
        "[store]\nurl = 'postgresql://me:{0}@host/db'\n",
        "[store]\ndsn = ['postgresql://me:{0}@host/db']\n",
        "[store]\ndsn = 'mysql://me:{0}@host/db'\n",
        "[kite]\nrest = 'https://{0}@api.kite.trade and more'\n",
        "[kite]\naccount_id = '{0}{0}{0}'\n",
        "[kite]\nmode = '{0}'\n",
        "[kite]\n{0}\n",
        "[[kite]]\naccess_token = '{0}'\n",
        "[[strategy]]\naccess_token = '{0}'\n",
    ],
)
def test_no_refusal_of_a_configuration_shows_what_may_be_a_secret(folder: Path, text: str) -> None:
    written(folder, text.format("s3cr3tT0k3nValue"))
    (folder / "config.toml").chmod(0o600)
    with pytest.raises(ConfigError) as refused:
        load_config()
    assert "s3cr3t" not in str(refused.value)
    assert "config.toml" in str(refused.value)
