"""Packages as cards. Pure: what is shown depends on what is given."""

from collections.abc import Sequence
from datetime import datetime

from bot.cards import Button, Card, Field, Table, Tone
from bot.packages.access import NewToken
from bot.reach import Reach
from engine.packages import PackagePath
from storage.package_refusals import size_of
from storage.package_tokens import PackageToken
from storage.packages import Package, PackageFile, PackageVersion

PAGE = 30
_SHORT = 16
_HOW = (
    ("`package PATH`", "what there is of it: versions, files, checksums"),
    ("`package create ORG/REPO/PACKAGE [DESCRIPTION]`", "a package without any version yet"),
    ("`package upload ORG/REPO/PACKAGE/VERSION`", "say it with a file: that is put there"),
    ("`package get PATH`", "the file itself, as far as this chat carries it"),
    ("`package delete PATH`", "a file, a version, or all of it"),
    ("`package token NAME ORGANIZATION`", "a token for machines, shown once"),
    ("`package tokens`, `package revoke TOKEN`", "which there are; let one open nothing any more"),
)


def how_to() -> Card:
    """Return what can be said about packages."""
    return Card("What can be said of packages", table=Table(("Say", "To"), _HOW))


def listed(found: Sequence[Package], words: str) -> Card:
    """Return a page of packages."""
    if not found:
        hint = "`package upload ORG/REPO/PACKAGE/VERSION`, with a file, puts the first one there."
        return Card(f"No package matches {words!r}" if words else "No packages", text="" if words else hint)
    rows = tuple(
        (str(one.path), str(one.versions), size_of(one.size), _when(one.at), one.description) for one in found[:PAGE]
    )
    more = "There are more: add a word to `packages`." if len(found) > PAGE else ""
    return Card("Packages", text=more, table=Table(("Package", "Versions", "Size", "Latest", "What it is"), rows))


def shown(package: Package, versions: Sequence[PackageVersion], files: Sequence[PackageFile]) -> Card:
    """Return a package with its versions."""
    rows = tuple(_version_row(one, files) for one in versions[:PAGE])
    more = f"The {PAGE} newest of {package.versions} versions." if package.versions > PAGE else ""
    fields = (
        Field("Made by", f"{package.by}, latest {_when(package.at)}"),
        Field("Size", f"{size_of(package.size)} in {package.files} files"),
    )
    return Card(
        str(package.path),
        text=" ".join(filter(None, (package.description, more))),
        fields=fields,
        table=Table(("Package version", "Files", "Size", "By", "When"), rows) if rows else None,
    )


def version_shown(version: PackageVersion, files: Sequence[PackageFile]) -> Card:
    """Return a version with its files."""
    rows = tuple((str(one.path), size_of(one.size), one.sha256[:_SHORT], one.by, _when(one.at)) for one in files)
    closed = f"closed at {_when(version.closed_at)}: a build took it whole" if version.closed_at else ""
    fields = [Field("For a build", f"packages: [{version.path}]")]
    return Card(
        str(version.path),
        badge=closed,
        fields=tuple(fields),
        table=Table(("Package file", "Size", "SHA-256", "By", "When"), rows),
    )


def file_shown(file: PackageFile, reach: Reach, *, is_carried: bool) -> Card:
    """Return a file, with everything it can be checked by and the ways to get it; `is_carried`: also here."""
    return Card(
        str(file.path),
        text=reach.note,
        fields=(
            Field("Size", f"{size_of(file.size)} ({file.size} bytes)"),
            Field("SHA-256", file.sha256),
            Field("By", f"{file.by}, {_when(file.at)}"),
            Field("By HTTP", f'curl -fLO -H "Authorization: Bearer $TOKEN" {reach.address}/{file.path}'),
            Field("In a terminal", f"sluice package pull {file.path}"),
        ),
        table=Table(("Package file",), ((str(file.path),),)),
        buttons=(Button("Get it", f"package get {file.path}"),) if is_carried else (),
    )


def kept(file: PackageFile, *, is_new: bool) -> Card:
    """Return that a file is kept."""
    title = f"{file.path} is kept" if is_new else f"{file.path} was there already, the very same"
    return Card(title, Tone.GOOD, fields=(Field("Size", size_of(file.size)), Field("SHA-256", file.sha256)))


def send_along(path: PackagePath, reach: Reach, limits: str) -> Card:
    """Return how a file gets to a path."""
    where = f"{reach.address}/{path}" if path.file else f"{reach.address}/{path}/FILE"
    return Card(
        f"Which file is {path} to have?",
        text=" ".join(filter(None, ("Send a file, and this line with it.", limits, reach.note))),
        fields=(
            Field("In a terminal", f"sluice package push FILE {path.of_version}"),
            Field("By HTTP", f'curl -fT FILE -H "Authorization: Bearer $TOKEN" {where}'),
        ),
    )


def about_to_delete(path: PackagePath, gone: Sequence[PackageFile], used_by: Sequence[str], phrase: str) -> Card:
    """Return what is asked before a package, a version or a file is deleted."""
    size = size_of(sum(one.size for one in gone))
    files = "1 file" if len(gone) == 1 else f"{len(gone)} files"
    text = f"{files}, {size}. The names stay taken: the same content may come back, another one may not."
    warning = (Field("Named by", ", ".join(used_by)), Field("Then", "their builds fail")) if used_by else ()
    return Card(f"Delete {path}?", Tone.ASKING, text, fields=(*warning, Field("To do it, type", phrase)))


def token_made(token: NewToken, reach: Reach) -> Card:
    """Return a token, the one time that it is shown."""
    made = token.kept
    until = f"until {_when(made.expires_at)}" if made.expires_at else "until it is revoked"
    return Card(
        f"A token for {made.organization}: {made.name}",
        Tone.PLAIN,
        f"It may {made.right.value}, {until}. It is shown this once; `package revoke {made.id}` ends it. "
        f"{reach.note}".strip(),
        fields=(Field("Where", reach.address),),
        code=token.shown,
    )


def tokens(found: Sequence[PackageToken], now: datetime) -> Card:
    """Return a person's tokens, without what is secret about them."""
    if not found:
        return Card("You have no tokens", text="`package token NAME ORGANIZATION` makes one, in a direct chat.")
    rows = tuple((one.id, one.name, one.organization, one.right.value, _until(one, now)) for one in found)
    return Card("Your tokens for packages", table=Table(("Token", "Name", "Organization", "May", "Until"), rows))


def _version_row(version: PackageVersion, files: Sequence[PackageFile]) -> tuple[str, ...]:
    own = [one for one in files if one.path.of_version == version.path]
    size = size_of(sum(one.size for one in own))
    return (str(version.path), str(len(own)), size, version.by, _when(version.at))


def _until(token: PackageToken, now: datetime) -> str:
    if token.expires_at is None:
        return "revoked"
    return _when(token.expires_at) if now < token.expires_at else "over"


def _when(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
