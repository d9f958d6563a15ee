"""Indicators: expressions over bars, the same bits row by row while trading and over arrays in a backtest."""
