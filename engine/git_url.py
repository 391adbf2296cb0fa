"""Addresses, branches and tags of git as a definition may name them, by the rules of `engine.forges.address`."""

import re

from engine.forges.address import UnusableAddress, UnusableRef, check_ref, parse_address
from engine.section import Mistake

_CREDENTIALS = re.compile(r"[a-z][a-z0-9+.-]*://[^/]*:[^/@]*@|https?://[^/]*@", re.IGNORECASE)
_FORMS = "https://host/path, ssh://git@host/path or git@host:path"


def check_git_url(url: str, *, allow_local: bool, allow_http: bool) -> str:
    """Refuse what git is never given. The sentence does not repeat credentials."""
    if _CREDENTIALS.match(url):
        raise Mistake(
            "has a user name or a password in the address", "the address without them, and name an account instead"
        )
    try:
        parse_address(url, allow_local=allow_local, allow_http=allow_http)
    except UnusableAddress as error:
        raise Mistake(str(error).rstrip("."), _FORMS) from None
    return url


def check_form(url: str) -> str:
    """Refuse what no settings allow."""
    return check_git_url(url, allow_local=True, allow_http=True)


def check_name(name: str) -> str:
    """Refuse what git cannot have as a branch or tag; an empty text counts as left out."""
    try:
        return check_ref("branch or tag", name) if name else name
    except UnusableRef as error:
        raise Mistake(str(error).rstrip("."), "its plain name, for example main or v1.2") from None
