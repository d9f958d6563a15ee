"""The store for queries: tables in PostgreSQL or a local SQLite file, fed from the journal; trading never waits."""
