"""How Python treats a process that goes on for long and has to answer quickly.

A full garbage collection looks at every object that may be part of a cycle: with the libraries that Sluice imports that
took 120 to 150 ms here, during which nobody was answered, every second or two under load. What is there when the bot
has started stays until it ends, so it is taken out of the collector's sight; what comes after is collected as ever.

The event loop shares the interpreter with the threads that read and write the database. One that computes gives way
after 5 ms at the earliest, and two or three of them add up before an acknowledgement is sent; after 1 ms the slowest
hundredth waits about half as long, and as many stages go through as before.
"""

import gc
import sys

GIVE_WAY_SECONDS = 0.001


def settle() -> None:
    """Collect what the start left behind, look at the rest no more, and let threads take turns more often."""
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(GIVE_WAY_SECONDS)
