"""Pushes: how forges are told where to deliver them, what arrives, and the runs that come of it."""
