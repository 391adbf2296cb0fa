"""What Sluice knows about releasing software: pure decisions, and the protocols it needs from the outside."""
