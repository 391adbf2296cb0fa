"""Freeze windows: as people type them, what they hold, and the two who let something through."""
