"""What an operator writes for a database is taken, or refused in words."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import Broken
from storage.address import address_of
from storage.examine import examine
from storage.store import SqlStore


@pytest.mark.parametrize("url", ["nonsense", "postgres://ann:hunter2@host/sluice", "mysql://host/sluice", ""])
def test_an_address_of_no_database_is_refused_in_words_without_its_password(url: str) -> None:
    with pytest.raises(Broken, match="is no address of a database") as refused:
        SqlStore.open(url)
    assert "hunter2" not in f"{refused.value} {refused.value.hint}"
    assert "postgresql+psycopg://" in refused.value.hint


@pytest.mark.parametrize("use", [SqlStore.open, examine])
@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://ann:p@hunter2tail@127.0.0.1:1/sluice",
        "postgresql+psycopg://ann:p@hunter2:tail@127.0.0.1:1/sluice",
        "postgresql+psycopg://ann:p@hunter2/tail@127.0.0.1:1/sluice",
        "postgresql+psycopg://ann:p@hunter2?tail=1@127.0.0.1:1/sluice",
        "postgresql+psycopg://ann@team:hunter2@127.0.0.1:1/sluice",
        "postgresql+psycopg://an/n:hunter2@127.0.0.1:1/sluice",
    ],
)
def test_a_password_that_is_not_encoded_is_refused_with_how_it_is_written(
    use: Callable[[str], object], url: str
) -> None:
    with pytest.raises(Broken, match="SLUICE_DATABASE does not tell where its password ends") as refused:
        use(url)
    assert "hunter2" not in f"{refused.value} {refused.value.hint}"
    assert "write @ as %40" in refused.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://ann:hunter2@host/db?options=-csearch_path%3Da@b",
        "postgresql+psycopg://host/db?application_name=x@y",
        "postgresql+psycopg:///db?host=/tmp&user=a@b",
    ],
)
def test_an_at_in_what_libpq_is_told_is_none_of_a_password(url: str) -> None:
    assert address_of(url).database == "db"


def test_a_file_may_have_an_at_in_its_name(tmp_path: Path) -> None:
    SqlStore.open(f"sqlite:///{tmp_path}/a:b@c@d.db").close()
    assert examine(f"sqlite:///{tmp_path}/a:b@c@d.db").state == "current"
