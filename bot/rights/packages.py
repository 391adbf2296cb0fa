"""What a person may do with the packages of an organization: what they may in the group of that name. Pure.

An organization whose name is no closed group's is everybody's, as the group would be.
"""

from bot.rights.holders import Holder
from storage.grants import Right as GroupRight
from storage.package_tokens import Right


def right_in(holder: Holder, organization: str) -> Right | None:
    """Return the most that they may; None: not even look."""
    granted = holder.on(organization)
    if granted >= GroupRight.MANAGE:
        return Right.DELETE
    if granted >= GroupRight.EDIT:
        return Right.WRITE
    return Right.READ if granted >= GroupRight.READ else None


def may(holder: Holder, organization: str, right: Right) -> bool:
    """Whether they may do this there."""
    has = right_in(holder, organization)
    return has is not None and has.includes(right)
