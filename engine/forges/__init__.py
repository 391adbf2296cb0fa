"""Where source comes from."""
