"""How a remote's models are described and checked."""
