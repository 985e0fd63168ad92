"""The version, read by the build and by ``syncer --version``."""

__version__ = "0.2.0"
