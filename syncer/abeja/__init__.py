"""ABEJA: its models described once, its wire, and its public client."""
