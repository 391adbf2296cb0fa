"""The command `sluice`: what is typed, and what loads the whole bot for it."""
