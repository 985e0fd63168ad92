"""What guards the file: locks, descriptors, connections, and whether the names still lead to it."""
