"""Paper trading on a venue's live quotes: the venue is only read, orders go to a matching engine in this process."""
