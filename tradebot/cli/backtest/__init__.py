"""The verb `backtest`: what it is asked, the bars and the job that are meant, how its result is shown."""
