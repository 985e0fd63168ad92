"""Requests over kept-alive connections, and what their failures mean."""
