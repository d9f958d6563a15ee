"""Strategies: how one is written, how one is loaded, and the shipped ones, one page each."""
