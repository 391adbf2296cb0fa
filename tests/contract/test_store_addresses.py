"""What an operator writes for a database is taken, or refused in words."""

import pytest

from engine.errors import Broken
from storage.store import SqlStore


@pytest.mark.parametrize("url", ["nonsense", "postgres://ann:hunter2@host/sluice", "mysql://host/sluice", ""])
def test_an_address_of_no_database_is_refused_in_words_without_its_password(url: str) -> None:
    with pytest.raises(Broken, match="is no address of a database") as refused:
        SqlStore.open(url)
    assert "hunter2" not in f"{refused.value} {refused.value.hint}"
    assert "postgresql+psycopg://" in refused.value.hint
