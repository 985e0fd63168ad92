"""Reading and writing records: rows, bases, ids, idempotency keys."""
