"""Rows, their bases, pull marks and conflicts."""
