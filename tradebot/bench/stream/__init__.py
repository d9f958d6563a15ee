"""The benchmark of the tick stream: the ticks that one core can process, from the socket to the bars."""
