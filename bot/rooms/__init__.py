"""Rooms: what they follow, and how each is written to by one task."""
