"""Files of bars as other programs write them: bytes to text, to a table, its columns, times and numbers to rows."""
