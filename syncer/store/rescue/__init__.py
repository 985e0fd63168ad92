"""Backup, restore and recovery, and carrying changes from one file into another."""
