"""The benchmark of the tick stream: as many ticks as one core takes, from the socket to the bars."""
