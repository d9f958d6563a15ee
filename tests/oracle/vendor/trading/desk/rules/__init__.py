"""The rules: each hears messages and changes of the book and returns decisions; none sees another or the desk."""
