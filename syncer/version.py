"""The version, read by the build and by ``syncer --version``."""

__version__ = "0.1.0"
