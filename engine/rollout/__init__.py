"""How a version gets its traffic: the fleet that is seen, the moves that are asked for, one strategy a file."""
