"""What a desk knows about its account: orders, positions, conditions, quotes, requested exits; only the book writes."""
