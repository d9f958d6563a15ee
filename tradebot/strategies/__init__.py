"""Strategies: how to write one, how one is loaded, and the shipped ones, one page each."""
