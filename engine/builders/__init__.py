"""How source becomes something that can be started."""
