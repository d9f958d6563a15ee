"""The past bars of a run: what is at hand, what is asked for, and what an outage spoiled."""
