"""Writing, pushing and pulling: the steps between cache, outbox and any remote."""
