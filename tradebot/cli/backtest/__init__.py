"""The verb `backtest`: its options, the bars and the job they describe, and the output of the result."""
