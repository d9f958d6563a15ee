"""The checks of `tradebot doctor`: each asks one question of machine, settings, state or venue, and names a remedy."""
