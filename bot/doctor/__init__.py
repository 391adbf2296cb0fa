"""`sluice doctor`: what of this Sluice's surroundings does not work, and how to mend it, a line each.

Every check looks from outside, with the settings alone: it may be asked before the first start, while Sluice runs, and
when it does not start. No check prints a secret, and none changes anything.
"""
