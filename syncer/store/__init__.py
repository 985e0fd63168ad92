"""The SQL room: the file, its tables, its transactions, its versions."""
