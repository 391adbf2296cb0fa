"""Where a release goes and what builds it, made from the settings."""
