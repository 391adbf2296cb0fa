"""Lines that carry a secret: sealed before anything keeps them, and masked before anything shows them.

The danger: what people say is kept before it is carried out, written into the audit, shown to a room, and named in the
log when it breaks. A token in it would stay in all these places. The promise: whatever takes lines from outside gives
them to `conceal` first. The secret part of `account bind` and of `secret set` is sealed there with the vault, and only
what binds the account or keeps the secret opens it again. A token that stands where none belongs (after a slip of the
finger) is cut out for good. So is the password of a web address wherever a line is shown or written down; in the line
itself it stays, for it may be a value that a run is given.

Whether nobody else read along is sealed with it, so that a form that was opened in a channel can say so of itself.
"""

import json
import re
from dataclasses import dataclass, field

from bot.grammar import plain
from bot.secrecy.words import end_of
from engine.redaction import HIDDEN
from storage.vault import Vault

SEALED = "sealed:"
_OF_SET = 2
"""Words behind `secret set` that are not secret: the pipeline, and the variable."""
_WORD = re.compile(r"\S+")
_OPTIONS = frozenset({"as", "at", "app", "installation"})
_TOKENS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\b(?:gh[opsur]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w.-]{16,}|gl(?:dt|ptt|rt|soat|oas|cbt|ft)-[\w.-]{16,}"
    r"|xox[a-z]-[\w-]{10,}|sluicepkg_[0-9a-f]{16}_[\w-]{43})",
    re.DOTALL,
)
_LOGIN = re.compile(
    r"(?<![a-z0-9+.-])(?:([a-z][a-z0-9+.-]{0,30}://[^\s/:\[]{0,200}:)(?![0-9]{1,5}[/?#])(?:(?![,;]\w+://)\S){0,2000}@(?!sha256:)"
    r"|((?:[a-z0-9.-]{1,20}\+)?https?://)[^\s/:@?#]+@)",
    re.IGNORECASE,
)
"""An address with a password in it, or with a token in the user's place. A port and a path may be followed by an @."""
MASK = "(a secret)"


@dataclass(frozen=True, slots=True)
class Whispered:
    """A secret that was said; `alone`: nobody else read it. `head` is the line that it was said in, without it."""

    secret: str = field(repr=False)
    alone: bool
    head: str = ""


def conceal(vault: Vault, line: str, *, alone: bool) -> str:
    """Return the line as it may be kept."""
    line = plain(line)
    end = _end_of_words(line)
    if end is None:
        return _TOKENS.sub(MASK, line)
    head, secret = line[:end].strip(), line[end:].strip()
    if not secret or secret.startswith(SEALED):
        return head if not secret else line
    return f"{head} {SEALED}{vault.seal(json.dumps({'secret': secret, 'alone': alone, 'head': head}))}"


def reveal(vault: Vault, word: str) -> Whispered:
    """Open what `conceal` sealed. Raises `Broken`."""
    found = json.loads(vault.open(word.removeprefix(SEALED)))
    return Whispered(str(found["secret"]), bool(found["alone"]), str(found.get("head", "")))


def masked(line: str) -> str:
    """Return the line as it may be shown: with nothing secret in it."""
    line = plain(line)
    end = _end_of_words(line)
    if end is None or not line[end:].strip():
        return without_logins(_TOKENS.sub(MASK, line))
    return f"{without_logins(line[:end].strip())} {MASK}"


def without_logins(text: str) -> str:
    """Return the text without the passwords that stand in its addresses, and without tokens in a user's place."""
    return _LOGIN.sub(lambda found: f"{found[1] or found[2]}{HIDDEN}@", text)


def carries_secret(line: str) -> bool:
    """Whether there is a secret in the line, sealed or not."""
    line = plain(line)
    end = _end_of_words(line)
    return bool(line[end:].strip()) if end is not None else False


def _end_of_words(line: str) -> int | None:
    """Return where the secret of a line would begin; None when it is no line that has one.

    `account bind FORGE [as NAME] [at URL] [app ID] [installation ID]`, or `secret set PIPELINE NAME`.
    """
    setting, said = end_of(line, "secret", "set"), end_of(line, "account", "bind")
    begin = setting or said
    if begin is None:
        return None
    first_end = begin + len(line[begin:].partition("\n")[0])
    words = list(_WORD.finditer(line, begin, first_end))
    if setting is not None:
        return words[_OF_SET - 1].end() if len(words) >= _OF_SET else first_end
    if not words:
        return first_end if line[first_end:].strip() else len(line)
    position, end = 1, words[0].end()
    while position + 1 < len(words) and words[position][0].lower() in _OPTIONS:
        end = words[position + 1].end()
        position += 2
    return end
