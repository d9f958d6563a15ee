"""The expression graph over TA-Lib: one definition, stepped bar by bar."""
