"""The command line: a file per command, one error boundary in ``main``, nothing heavy imported before it is used."""
