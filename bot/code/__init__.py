"""Accounts at forges, and what they offer."""
