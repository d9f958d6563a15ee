"""Zerodha Kite Connect v3: wire (pure), feed, broker, rules, adapter."""
