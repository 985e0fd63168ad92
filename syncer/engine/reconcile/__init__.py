"""Where a remote's record meets a row with pending changes."""
