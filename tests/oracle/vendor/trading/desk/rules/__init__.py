"""The rules: each takes messages and changes to the book and returns decisions; no rule sees another or the desk."""
