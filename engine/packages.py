"""Names of software packages: ``organization/repository/package/version[/file]``, checked in this one place.

The danger: names become places in a build directory, parts of addresses and words on cards. A name that climbs
(``..``), begins anew (``/etc``), hides (``.bashrc``), looks like an option (``-rf``), turns the direction of writing or
only looks like another one must never come into being, however it arrives: by HTTP, as a caption in a chat, in a
definition.

The promise: what `parse` returns is made of ASCII letters, digits and a few marks, begins with a letter or a digit and
has no two dots in a row. Nothing is repaired on the way in: no decoding, no folding, no stripping. So there is one way
to write a name, and what is refused once is refused everywhere. Organizations, repositories and packages are lower
case; versions and files keep their case, but no two that differ only in case stand beside each other (`folded`), as
some disks cannot tell them apart.
"""

import re
from dataclasses import dataclass, replace

from engine.errors import Refused

LONGEST_NAME = 64
LONGEST_VERSION = 128
LONGEST_FILE = 200
_PARTS = ("organization", "repository", "package", "version", "file")
_LOWER = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?", re.ASCII)
_MIXED = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._+~-]*[A-Za-z0-9_+~-])?", re.ASCII)
_RULES = {
    "organization": (_LOWER, LONGEST_NAME),
    "repository": (_LOWER, LONGEST_NAME),
    "package": (_LOWER, LONGEST_NAME),
    "version": (_MIXED, LONGEST_VERSION),
    "file": (_MIXED, LONGEST_FILE),
}
_LOWER_WORDS = "Write lower-case letters and digits, with . _ or - between them"
_MIXED_WORDS = "Write letters, digits and . _ + ~ -, with a letter or a digit first and no two dots in a row"
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
"""Names that are devices on some systems, whatever they end with."""
_SHOWN = 80


class BadName(Refused):
    """A part of a package's path is no name."""

    def __init__(self, part: str, name: str, why: str) -> None:
        words = _LOWER_WORDS if _RULES[part][0] is _LOWER else _MIXED_WORDS
        super().__init__(
            f"{name[:_SHOWN]!a} cannot be the {part} of a package: {why}.",
            f"{words}, at most {_RULES[part][1]} of them.",
        )


class BadPath(Refused):
    """A path has too few parts or too many."""

    def __init__(self, text: str, form: str) -> None:
        super().__init__(f"{text[:_SHOWN]!a} is no path of a package.", f"Write {form}.")


@dataclass(frozen=True, slots=True)
class PackagePath:
    """Where something is kept: a package, one of its versions, or one of that version's files.

    Only `parse` makes one from text; its parts are names. An empty `version` or `file` means all of them.
    """

    organization: str
    repository: str
    package: str
    version: str = ""
    file: str = ""

    def __str__(self) -> str:
        """Write it as people do."""
        return "/".join(part for part in self.parts if part)

    @property
    def parts(self) -> tuple[str, str, str, str, str]:
        """Its names, in their order."""
        return (self.organization, self.repository, self.package, self.version, self.file)

    @property
    def of_package(self) -> "PackagePath":
        """The package that it belongs to."""
        return replace(self, version="", file="")

    @property
    def of_version(self) -> "PackagePath":
        """The version that it belongs to."""
        return replace(self, file="")

    @property
    def folded(self) -> tuple[str, str, str, str, str]:
        """Its names without regard to case: two paths with the same ones cannot stand beside each other."""
        return (self.organization, self.repository, self.package, self.version.lower(), self.file.lower())

    def with_file(self, file: str) -> "PackagePath":
        """Return the path of a file of this version. Raises `BadName`."""
        return replace(self, file=checked("file", file))


def parse(text: str, least: int = 3, most: int = 5) -> PackagePath:
    """Read ``organization/repository/package[/version[/file]]`` with `least` to `most` parts.

    Raises `BadPath` or `BadName`, which say what to write.
    """
    names = text.split("/", 5)
    if not least <= len(names) <= most:
        raise BadPath(text, _form(least, most))
    return PackagePath(*(checked(part, name) for part, name in zip(_PARTS, names, strict=False)))


def checked(part: str, name: str) -> str:
    """Return the name if it can be this part (``organization`` ... ``file``) of a path. Raises `BadName`."""
    form, longest = _RULES[part]
    if not name:
        raise BadName(part, name, "it is empty")
    if len(name) > longest:
        raise BadName(part, name, f"it has {len(name)} characters")
    if not name.isascii():
        raise BadName(part, name, "it has characters that are not plain letters")
    if ".." in name:
        raise BadName(part, name, "it has two dots in a row")
    if form.fullmatch(name) is None:
        raise BadName(part, name, "it is not made of what names are made of")
    if _DEVICES.fullmatch(name):
        raise BadName(part, name, "some systems have a device of that name")
    return name


def _form(least: int, most: int) -> str:
    written = _PARTS[:least]
    more = "".join(f"[/{part}" for part in _PARTS[least:most])
    return "/".join(written) + more + "]" * (most - least)
