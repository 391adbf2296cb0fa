"""Telegram: cards as messages that read well on a phone at night."""
