"""The store people query: tables in PostgreSQL or a local SQLite file, fed from the journal, never waited for."""
