"""Reads files of bars that other programs write: bytes to text, text to a table, its columns to rows of bars."""
