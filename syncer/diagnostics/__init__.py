"""What could go wrong with the file, the ledger, SQLite or the settings, and what helps."""
