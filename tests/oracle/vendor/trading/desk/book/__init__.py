"""What a desk knows of its account: orders, positions, conditions, quotes, wishes; written by the book alone."""
