"""Python's garbage collector, kept from looking at what stays anyway.

A full collection looks at every object that may be part of a cycle: with the libraries that Sluice imports that took
120 to 150 ms here, during which nobody was answered, every second or two under load. What is there when the bot has
started stays until it ends, so it is taken out of the collector's sight; what comes after is collected as ever.
"""

import gc


def settle() -> None:
    """Collect what the start left behind, and look at the rest no more. For a process that goes on for long."""
    gc.collect()
    gc.freeze()
