"""Every event of the log, declared once: its name, level and fields, what it means, and what to do about it."""
