"""Backups: what is in one, and how it becomes an instance again."""
