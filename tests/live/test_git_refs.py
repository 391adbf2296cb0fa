"""The rule for names of branches and tags, held against git's own."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Refused
from engine.forges.address import check_ref

pytestmark = pytest.mark.live
NAMES = st.text(alphabet="ab1./-@{}~^:?*[\\ \n\x7fä", min_size=1, max_size=8) | st.from_regex(
    r"[a-z]{1,3}(\.lock|/\.|//|\.\.|@\{|\.)?[a-z/]{0,3}(\.lock|\.|/)?", fullmatch=True
)


@settings(max_examples=150)
@given(NAMES)
def test_a_name_is_used_exactly_when_git_allows_it_and_it_is_no_option(name: str) -> None:
    asked = subprocess.run(
        ["git", "check-ref-format", f"refs/heads/{name}"], check=False, capture_output=True, timeout=20
    )
    ours = True
    try:
        check_ref("branch", name)
    except Refused:
        ours = False
    assert ours == (asked.returncode == 0 and not name.startswith("-") and name != "@")
