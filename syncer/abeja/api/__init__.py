"""``abeja.runs.api``: the package that holds ``client``."""
