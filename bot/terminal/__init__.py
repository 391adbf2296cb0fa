"""The terminal as a chat: no account, whoever can open the socket under Sluice's home may speak."""
