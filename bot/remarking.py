"""Addresses of hooks and of pushes after the oldest key was taken out: those that are shown are those that work.

They are derived from the oldest key, and found by a mark that is kept. The danger is marks of a key that is gone: what
people are shown, and what is attached at forges, would lead nowhere, while the old addresses went on working. The
promise: after a start, exactly the addresses of the present keys are good, and it is said how many are others now.
"""

from dataclasses import replace

from bot.pushes.naming import Naming
from bot.wiring import remarked
from storage.book import SqlBook
from storage.vault import Vault


def remark(book: SqlBook, vault: Vault) -> str:
    """Give every address the mark of the present keys. Returns the sentence that people have to hear, or nothing."""
    naming = Naming(vault)
    hooks = [one for one in book.hooks.all() if one.mark]
    called = [now for hook in hooks if (now := remarked(hook, vault)) != hook]
    pushed = [new for one in book.attached.all() if (new := naming.marked(one)) != one]
    for hook in called:
        book.hooks.put(hook)
    for webhook in pushed:
        book.attached.put(replace(webhook, shown=False, checked_at=None))
    if not called and not pushed:
        return ""
    return (
        f"The oldest key was taken out: {len(called)} hooks and {len(pushed)} webhooks for pushes have other addresses "
        "now. `hooks PIPELINE` and `webhook PIPELINE` show them; webhooks that Sluice attached are changed by itself."
    )
