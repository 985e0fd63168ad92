"""Lists of Plexus records: filters, pages, page tokens."""
