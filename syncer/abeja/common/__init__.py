"""``abeja.common``: the package that holds ``api_client``, ``auth`` and ``connection``."""
