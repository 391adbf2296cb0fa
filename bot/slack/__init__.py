"""Slack: cards as Block Kit, forms as modals, and the App Home."""
