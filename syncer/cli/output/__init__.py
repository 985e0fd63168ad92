"""How commands print: text, tables, formats, progress."""
