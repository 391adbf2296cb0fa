"""What each stage type does when its turn comes: one file per type."""
