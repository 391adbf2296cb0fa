"""Whatever a path is made of: it is refused, or it stays inside the directory that it is put into."""

import string
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import quote, unquote

from hypothesis import example, given
from hypothesis import strategies as st

from bot.packages.digests import announced
from engine.errors import Refused
from engine.packages import PackagePath, parse

TRICKS = st.sampled_from(
    [
        "..",
        ".",
        "",
        "...",
        "a",
        "A",
        "1.0",
        "a.tar",
        "%2e%2e",
        "\u2025",
        "\uff0e",
        "\\",
        "C:",
        "~",
        "-x",
        "con",
        "a\x00b",
        "\u202e",
    ]
)
NAMES = st.one_of(TRICKS, st.text(max_size=12), st.text(string.ascii_letters + string.digits + "._-+~", max_size=300))
PATHS = st.one_of(st.lists(NAMES, max_size=7).map("/".join), st.text(max_size=60))


def read(text: str) -> PackagePath | None:
    """The path, or None when it is refused; a refusal that does not say what to write is a fault."""
    try:
        return parse(text)
    except Refused as refused:
        if not refused.hint:
            raise
        return None


@given(PATHS)
@example("a/b/c/1/..")
def test_what_is_taken_as_a_path_stays_where_it_is_put(text: str) -> None:
    path = read(text)
    if path is None:
        return
    parts = [part for part in path.parts if part]
    assert str(path) == text
    for kind in (PurePosixPath, PureWindowsPath):
        placed = kind("/into").joinpath(*parts)
        assert placed.parts[1:] == ("into", *parts)
        assert not kind(parts[-1]).is_absolute()
    assert PureWindowsPath(parts[-1]).drive == ""


@given(PATHS)
def test_there_is_one_way_to_write_a_path_and_addresses_leave_it_as_it_is(text: str) -> None:
    path = read(text)
    if path is None:
        return
    assert parse(str(path)) == path
    assert unquote(str(path)) == str(path)
    assert quote(str(path), safe="/+") == str(path)
    assert str(path).casefold() == "/".join(part for part in path.folded if part)


@given(st.dictionaries(st.sampled_from(["content-digest", "repr-digest", "x-checksum-sha256"]), st.text(max_size=90)))
def test_any_header_with_a_checksum_is_read_or_refused(headers: dict[str, str]) -> None:
    found = ""
    try:
        found = announced(headers)
    except Refused as refused:
        if not refused.hint:
            raise
    assert found == "" or (len(found) == 64 and set(found) <= set(string.hexdigits.lower()))
