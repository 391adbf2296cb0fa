"""What is sealed can be opened with the key that sealed it, also after a new one; and with no other."""

import stat
from pathlib import Path

import pytest

from engine.errors import Broken
from storage.vault import Vault, new_key


def test_what_is_sealed_is_opened_again_and_shows_nothing() -> None:
    vault = Vault([new_key()])
    sealed = vault.seal("hunter2")
    assert vault.open(sealed) == "hunter2"
    assert "hunter2" not in sealed
    assert sealed != vault.seal("hunter2")


def test_a_new_key_in_front_opens_what_the_old_one_sealed_and_keeps_tokens() -> None:
    old, new = new_key(), new_key()
    sealed, token = Vault([old]).seal("hunter2"), Vault([old]).token("hook", "shop/gate/1")
    both = Vault([new, old])
    assert both.open(sealed) == "hunter2"
    assert both.token("hook", "shop/gate/1") == token
    with pytest.raises(Broken, match="another key"):
        Vault([new]).open(sealed)


def test_tokens_differ_by_purpose_and_matter() -> None:
    vault = Vault([new_key()])
    tokens = {vault.token("hook", "a"), vault.token("hook", "b"), vault.token("push", "a")}
    assert len(tokens) == 3
    assert all(len(token) == 43 for token in tokens)


def test_the_key_file_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "key"
    sealed = Vault.of_file(path).seal("hunter2")
    assert Vault.of_file(path).open(sealed) == "hunter2"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("keys", [[], ["short"], ["ä" * 44]])
def test_what_is_no_key_is_refused_in_words(keys: list[str]) -> None:
    with pytest.raises(Broken, match="cannot be read"):
        Vault(keys)
