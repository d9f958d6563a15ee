"""Indicators: expressions over bars, row by row while trading and over arrays in a backtest, with the same bits."""
