"""The names on disk: what the journal calls each class and field, independent of their names in code.

Old journals are recovered, verified and replayed for ever, so a name on disk never changes. Only this module knows both
names:

* a class `module.New` that is `Old` on disk: `"module.New": "Old: ..."`
* a field `new` that is `old` on disk: `"module.Class": "Class: ... new=old ..."`, and the class is declared as
  `class Class(Message, frozen=True, rename=renamed("module.Class"))`
* a new field has a default and is listed here too
"""

from __future__ import annotations

# "<last part of the module>.<class in code>" -> "<class on disk>: <fields>".
ON_DISK: dict[str, str] = {
    "instrument.Instrument":
        "Instrument: symbol exchange token kind tick_size lot_size price_decimals quantity_decimals currency name "
        "has_derivatives",
    "venue_rows.UnreadRow": "Unread: book reason venue_order_id tag exchange symbol product",
    "market.BarBatch": "Close: interval ends_at seen_at quoted_at ids open high low close volume ticks",
    "market.Quotes": "Quotes: source seen_at ids sent_at last volume bid ask bid_size ask_size",
    "market.BarSeries": "Series: symbol interval starts open high low close volume unread_starts=odd",
    "messages.AccountSnapshot": "Books: asked_at orders fills=executions positions cash unread holdings",
    "messages.BrokerSession": "BrokerSession: mono lost_reason=lost orders_refused",
    "messages.ClockOffset": "ClockApart: mono offset_ns=offset",
    "messages.Command": "Command: verb reason scope id until control",
    "messages.EarlySessionEnd": "Ending: closes_at entries_until square_off_at symbols",
    "messages.FillReport": "Executed: fill=execution mono",
    "messages.ExternalPosition": "ExternalPosition: key quantity average_price",
    "messages.FrozenSymbols": "Frozen: symbols mono",
    "messages.Incident": "Incident: text at order_id symbol",
    "messages.LinkDown": "LinkDown: source mono reason",
    "messages.LinkUp": "LinkUp: source mono",
    "messages.LimitsReloaded": "LimitsReloaded: limits order_notional",
    "messages.OrderReport": "OrderSeen: order mono",
    "messages.RequestResult": "Outcome: event=fact",
    "messages.ReconciliationResult": "Reconciled: at differences cash adopted external released",
    "messages.ReleasedPosition": "Released: key quantity price at",
    "messages.SessionBegins": "SessionBegins: opens_at closes_at entries_until square_off_at early_ends=endings",
    "messages.Signal":
        "Signal: signal_id strategy symbol action bar_at quoted_at made_at close quantity stop_loss trail_by target "
        "inputs",
    "messages.Signals": "Signals: at interval signals failed",
    "messages.DiskSpaceState": "SpaceLeft: mono allows reason",
    "messages.ClockTick": "Tick: at mono",
    "messages.TrailingStopPrices": "Trailing: at best_prices=best",
    "venue_reports.Fill":
        "Execution: execution_id venue_order_id symbol exchange side quantity price traded_at product is_inferred",
    "order.OrderEvent":
        "OrderFact: order_id type=event at mono reason venue_order_id request fill=execution venue_order=venue checks "
        "inputs terms is_proof reference refusal control",
    "order_request.OrderRequest":
        "OrderRequest: order_id symbol exchange side kind quantity price trigger_price validity product "
        "protection_pct purpose strategy signal_id reason stop_loss trail_by target decided_at signaled_at quoted_at "
        "gtt",
    "order_request.GttTerms": "GttTerms: last_price target_trigger target_price",
    "order_request.OrderTerms": "Terms: quantity price trigger_price",
    "venue_reports.VenueHolding": "VenueHolding: symbol exchange quantity average_price product",
    "venue_reports.VenueOrder":
        "VenueOrder: venue_order_id tag symbol exchange side kind status quantity filled price trigger_price "
        "average_price product reason changed_at refusal gtt",
    "venue_reports.GttReport": "GttReport: created_at placed_order_id target_trigger target_price",
    "venue_reports.VenuePosition": "VenuePosition: symbol exchange product quantity average_price",
    "portfolio.Position": "Position: key quantity cost realized charges bought sold",
    "position_key.PositionKey": "PositionKey: venue exchange symbol product owner",
    "rows.RunEnd": "End: reason summary",
    "rows.InstrumentList": "Listing: instruments",
    "rows.RunRecord": "Run: run_id mode account symbols venue config_hash versions pid",
    "rows.RunSettings": "Terms: interval strategies limits desk venue opens_at halts flattened",
    "rows.StrategiesRebuilt": "Rebuilt: after bars",
    "rows.StrategiesChanged": "StrategiesChanged: after params",
    "rows.SymbolsHeld": "Held: after symbols",
    "rows.WarmupBars": "Warmup: series",
    "rows.WarmupJoin": "Joined: after symbols waiting",
    "rows._PackedBatch": "_Close: interval ends_at seen_at quoted_at columns",
    "rows._LinkRow": "_Link: source mono reason",
    "rows._PackedSeries": "_Past: symbol interval columns",
    "input_log.StartSnapshot": "Adopt: snapshot=books",
    "input_log.HaltFileSeen": "Killed: reason",
    "input_log.InputQuotes": "Marks: ids seen_at last bid ask",
    "input_log.UnchangedSnapshot": "SameBooks: asked_at",
    "input_log.SignalsTaken": "Signaled: at interval",
    "input_log.StrategiesStepped": "Stepped: ends_at holdings=held",
    "input_log.InputLogBatch": "Tape: entries state",
    "input_log._PackedInputs": "_Packed: order columns messages sources state",
    "limits.Limits":
        "Limits: permitted_products allow_short max_order_quantity max_order_notional max_position_notional "
        "max_gross_notional max_daily_loss max_open_orders price_collar_pct freeze_quantity freeze_quantities "
        "orders_per_second orders_per_minute orders_per_day duplicate_window_s stale_after_s max_stop_pct pace",
    "settings.DeskSettings":
        "DeskSettings: order_notional venue product order_kind protection_pct max_daily_loss on_daily_loss "
        "max_rejects_in_a_row max_rejects_per_minute max_rejected_symbols max_account_rejects_per_minute "
        "signal_max_age_s reverses chase_after_s chase most_changes on_stop resting fill_collar_pct "
        "watches_other_daemons",
    "settings.RestingSettings":
        "RestingSettings: strategies stop_market on_refusal confirm_within_s min_step_pct min_interval_s most_changes "
        "gtt max_gtt gtt_min_distance_pct gtt_min_distance",
    "loading.StrategySpec": "StrategySpec: name reference params code symbols",
}  # fmt: skip


def renamed(key: str) -> dict[str, str]:
    """Return a mapping for msgspec's `rename`: field in code -> field on disk, where the two differ."""
    return {code: on_disk for code, on_disk in fields_on_disk(key).items() if code != on_disk}


def fields_on_disk(key: str) -> dict[str, str]:
    """Return a mapping: field in code -> field on disk of a class, in order."""
    words = (word.partition("=") for word in ON_DISK[key].partition(":")[2].split())
    return {code: on_disk or code for code, _, on_disk in words}


def class_on_disk(kind: type) -> str:
    """Return the name of a class on disk."""
    assert key_of(kind) in ON_DISK, f"{key_of(kind)} is on disk: name it and its fields in `wire_names.py`"
    return ON_DISK[key_of(kind)].partition(":")[0]


def key_of(kind: type) -> str:
    """Return the key of a class: the last part of its module and its name."""
    return f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}"
