"""Packages as the shelf promises them, on every database: immutable, shared, counted, and whole or not there."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from engine.errors import Refused, StageFailure
from engine.packages import parse
from storage.package_files import DamagedPackage, DraftChanged, PackageFiles
from storage.package_refusals import NoPackage, PackageTaken, QuotaExceeded, TooLarge, VersionClosed, WrongContent
from storage.package_shelf import Limits, PackageShelf
from storage.package_tokens import PackageToken, Right
from storage.package_uploads import PackageUpload
from storage.packages import PackageFile
from storage.store import SqlStore
from tests.support.overlapping import overlapping
from tests.support.store import ANN, BOB, T0, ManualClock, opened

API = "acme/shop/api/1.0"
ROOMY = Limits(file=10_000, organization=100_000, total=1_000_000)


@dataclass
class Shop:
    """A shelf whose clock a test moves."""

    shelf: PackageShelf
    clock: ManualClock
    drafts: Iterator[int]

    def draft(self, content: bytes) -> str:
        name = f"draft{next(self.drafts)}"
        self.shelf.files.append(name, content)
        return name

    async def put(self, path: str, content: bytes, sha256: str = "") -> tuple[PackageFile, bool]:
        return await self.shelf.take(self.draft(content), parse(path, 5, 5), ANN, sha256=sha256)

    async def read(self, path: str) -> bytes:
        _, place = await self.shelf.find(parse(path, 5, 5))
        return place.read_bytes()

    def contents(self) -> list[Path]:
        return [one for one in (self.shelf.files.root / "content").rglob("*") if one.is_file()]

    def drafts_left(self) -> list[Path]:
        return list((self.shelf.files.root / "drafts").glob("*"))


def a_shop(store: SqlStore, home: Path, limits: Limits = ROOMY) -> Shop:
    clock = ManualClock()
    return Shop(PackageShelf(store, PackageFiles(home / "packages"), clock, limits), clock, iter(range(1000)))


@pytest.fixture
def shop(store: SqlStore, tmp_path: Path) -> Shop:
    return a_shop(store, tmp_path)


async def test_what_was_kept_is_found_with_its_size_checksum_and_giver(shop: Shop) -> None:
    file, is_new = await shop.put(f"{API}/api.tar", b"hello")
    assert is_new
    assert (file.size, file.by, file.at) == (5, ANN, T0)
    assert file.sha256 == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert await shop.read(f"{API}/api.tar") == b"hello"
    assert (await shop.shelf.find(file.path))[0] == file
    assert shop.drafts_left() == []


async def test_the_same_content_again_is_answered_as_there_and_another_one_is_refused(shop: Shop) -> None:
    first, _ = await shop.put(f"{API}/api.tar", b"hello")
    shop.clock.pass_time(timedelta(days=9))
    assert (await shop.put(f"{API}/api.tar", b"hello"))[1] is False
    with pytest.raises(PackageTaken, match="another content"):
        await shop.put(f"{API}/api.tar", b"other")
    assert await shop.read(f"{API}/api.tar") == b"hello"
    assert (await shop.shelf.find(first.path))[0].at == T0
    assert shop.drafts_left() == []


async def test_names_that_differ_only_in_case_do_not_stand_beside_each_other(shop: Shop) -> None:
    await shop.put("acme/shop/api/1.0-rc/Api.tar", b"x")
    with pytest.raises(PackageTaken, match="only in case"):
        await shop.put("acme/shop/api/1.0-rc/api.tar", b"x")
    with pytest.raises(PackageTaken, match="only in case"):
        await shop.put("acme/shop/api/1.0-RC/other.tar", b"x")
    with pytest.raises(NoPackage):
        await shop.read("acme/shop/api/1.0-rc/api.tar")


async def test_two_uploads_of_one_version_at_once_leave_one_content(shop: Shop) -> None:
    each = [shop.put(f"{API}/api.tar", bytes([number]) * 100) for number in range(8)]
    outcomes = await asyncio.gather(*each, return_exceptions=True)
    kept = [one for one in outcomes if not isinstance(one, BaseException)]
    assert [is_new for _, is_new in kept] == [True]
    assert sum(isinstance(one, PackageTaken) for one in outcomes) == 7
    content = await shop.read(f"{API}/api.tar")
    assert len(set(content)) == 1
    assert len(content) == 100


async def test_equal_uploads_at_once_are_one_file(shop: Shop) -> None:
    outcomes = await asyncio.gather(*(shop.put(f"{API}/api.tar", b"same") for _ in range(8)))
    assert sorted(is_new for _, is_new in outcomes) == [False] * 7 + [True]
    assert len(shop.contents()) == 1


async def test_equal_files_share_their_content_until_the_last_of_them_is_deleted(shop: Shop) -> None:
    await shop.put(f"{API}/api.tar", b"hello")
    await shop.put("other/shop/api/2.0/web.tar", b"hello")
    assert len(shop.contents()) == 1
    await shop.shelf.delete(parse(f"{API}/api.tar"), ANN)
    shop.clock.pass_time(timedelta(days=3))
    assert await shop.shelf.tidy() == 0
    assert await shop.read("other/shop/api/2.0/web.tar") == b"hello"
    await shop.shelf.delete(parse("other/shop/api/2.0"), BOB)
    assert await shop.shelf.tidy() == 0, "what was just deleted may be in use still"
    shop.clock.pass_time(timedelta(days=2))
    assert await shop.shelf.tidy() == 5
    assert shop.contents() == []


async def test_two_processes_that_are_given_one_name_at_once_keep_one_content(shop: Shop, other: SqlStore) -> None:
    path = parse(f"{API}/api.tar")
    files = [PackageFile(path, 5, mark * 64, ANN, T0) for mark in "ab"]
    beside = replace(shop.shelf, store=other)
    first, second = await overlapping(
        shop.shelf.store,
        lambda book: shop.shelf._written(book, files[0], "d1", None),
        other,
        lambda book: beside._written(book, files[1], "d2", None),
    )
    assert first is True
    assert isinstance(second, PackageTaken)
    assert await other.read(lambda book: book.packages.file(path)) == files[0]


async def test_two_processes_do_not_give_the_same_room_twice(shop: Shop, other: SqlStore) -> None:
    paths = [parse(f"acme/shop/{name}/1.0/file") for name in ("api", "web")]
    files = [PackageFile(path, 60_000, mark * 64, ANN, T0) for path, mark in zip(paths, "ab", strict=True)]
    beside = replace(shop.shelf, store=other)
    first, second = await overlapping(
        shop.shelf.store,
        lambda book: shop.shelf._written(book, files[0], "d1", None),
        other,
        lambda book: beside._written(book, files[1], "d2", None),
    )
    assert first is True
    assert isinstance(second, QuotaExceeded)


async def test_a_draft_that_is_being_kept_is_not_kept_a_second_time_with_nothing_in_it(shop: Shop) -> None:
    name, path = shop.draft(b"hello"), parse(f"{API}/api.tar")
    each = await asyncio.gather(*(shop.shelf.take(name, path, ANN) for _ in range(8)), return_exceptions=True)
    assert {type(one) for one in each} <= {tuple, DraftChanged}
    assert await shop.read(f"{API}/api.tar") == b"hello"
    with pytest.raises(DraftChanged):
        await shop.shelf.take("neverthere", parse(f"{API}/other.tar"), ANN)
    with pytest.raises(NoPackage):
        await shop.read(f"{API}/other.tar")


async def test_a_draft_whose_content_was_kept_before_the_index_named_it_can_be_taken_again(shop: Shop) -> None:
    name, path = shop.draft(b"hello"), parse(f"{API}/api.tar")
    files = shop.shelf.files
    for _ in range(2):
        files.keep(name, files.measured(name)[1], shop.clock.now())
    with pytest.raises(DraftChanged):
        files.append(name, b"!", 5)
    assert (await shop.shelf.take(name, path, ANN))[1] is True
    assert await shop.read(f"{API}/api.tar") == b"hello"
    assert shop.drafts_left() == []


async def test_what_is_shorter_or_longer_than_announced_is_not_kept(shop: Shop) -> None:
    for size in (4, 6, 0):
        with pytest.raises(WrongContent, match="5 bytes"):
            await shop.shelf.take(shop.draft(b"hello"), parse(f"{API}/api.tar"), ANN, size=size)
    assert shop.drafts_left() == []
    with pytest.raises(NoPackage):
        await shop.read(f"{API}/api.tar")


async def test_what_is_added_at_the_wrong_place_is_not_added(shop: Shop) -> None:
    name = shop.draft(b"hello")
    for at in (0, 4, 6):
        with pytest.raises(DraftChanged):
            shop.shelf.files.append(name, b"!", at)
    shop.shelf.files.append(name, b"!", 5)
    assert shop.shelf.files.length(name) == 6


async def test_an_upload_that_was_renewed_is_not_tidied_away(shop: Shop) -> None:
    now = shop.clock.now()
    upload = PackageUpload("e" * 32, parse(f"{API}/api.tar"), 9, "", ANN, now, now + timedelta(days=1))
    await shop.shelf.store.transact(lambda book: book.packages.uploads.add(upload))
    later = now + timedelta(days=3)
    assert await shop.shelf.store.transact(lambda book: book.packages.uploads.renew(upload.id, later, now))
    shop.clock.pass_time(timedelta(days=2))
    await shop.shelf.tidy()
    assert not await shop.shelf.store.transact(lambda book: book.packages.uploads.expire(upload.id, shop.clock.now()))
    shop.clock.pass_time(timedelta(days=1))
    late = shop.clock.now()
    assert not await shop.shelf.store.transact(lambda book: book.packages.uploads.renew(upload.id, later, late))
    await shop.shelf.tidy()
    assert await shop.shelf.store.read(lambda book: book.packages.uploads.find(upload.id)) is None


async def test_what_was_just_kept_is_not_tidied_away_before_the_index_names_it(shop: Shop) -> None:
    name = shop.draft(b"new")
    shop.shelf.files.keep(name, "a" * 64, shop.clock.now())
    await shop.shelf.tidy()
    assert len(shop.contents()) == 1
    shop.clock.pass_time(timedelta(days=2))
    assert await shop.shelf.tidy() == 3


async def test_a_name_never_comes_to_mean_another_content_not_even_when_it_was_deleted(shop: Shop) -> None:
    await shop.put(f"{API}/api.tar", b"hello")
    await shop.shelf.delete(parse("acme/shop/api"), ANN)
    with pytest.raises(NoPackage):
        await shop.read(f"{API}/api.tar")
    with pytest.raises(PackageTaken, match="before it was deleted"):
        await shop.put(f"{API}/api.tar", b"evil")
    assert (await shop.put(f"{API}/api.tar", b"hello"))[1] is True
    assert await shop.read(f"{API}/api.tar") == b"hello"


async def test_a_version_takes_files_for_a_day(shop: Shop) -> None:
    await shop.put(f"{API}/api.tar", b"1")
    shop.clock.pass_time(timedelta(hours=23))
    await shop.put(f"{API}/notes.txt", b"2")
    shop.clock.pass_time(timedelta(hours=2))
    with pytest.raises(VersionClosed, match="more than a day ago"):
        await shop.put(f"{API}/late.txt", b"3")
    with pytest.raises(VersionClosed):
        await shop.shelf.may_take(parse(f"{API}/late.txt"), 1)


async def test_a_version_that_a_build_took_whole_takes_no_more_files(shop: Shop, tmp_path: Path) -> None:
    await shop.put(f"{API}/api.tar", b"1")
    await shop.put(f"{API}/notes.txt", b"22")
    await shop.shelf.fetch(f"{API}/api.tar", str(tmp_path / "one"))
    await shop.put(f"{API}/more.txt", b"333")
    for _ in range(2):
        await shop.shelf.fetch(API, str(tmp_path / "all"))
    with pytest.raises(VersionClosed, match="a build took it whole"):
        await shop.put(f"{API}/late.txt", b"4")
    assert [one.name for one in (tmp_path / "one").iterdir()] == ["api.tar"]
    found = {one.name: one.read_bytes() for one in (tmp_path / "all").iterdir()}
    assert found == {"api.tar": b"1", "notes.txt": b"22", "more.txt": b"333"}


@pytest.mark.parametrize("path", [f"{API}/nothing", "acme/shop/api/9", "acme/shop", "../../etc/passwd", "a/b/c/../x"])
async def test_a_build_that_asks_for_what_is_not_there_fails_in_words(shop: Shop, tmp_path: Path, path: str) -> None:
    await shop.put(f"{API}/api.tar", b"1")
    with pytest.raises(StageFailure) as failure:
        await shop.shelf.fetch(path, str(tmp_path / "into"))
    assert failure.value.hint
    assert not (tmp_path / "into").exists()


async def test_what_is_fetched_follows_no_link_that_the_source_has_laid_in_its_way(shop: Shop, tmp_path: Path) -> None:
    await shop.put(f"{API}/api.tar", b"package")
    into, outside = tmp_path / "into", tmp_path / "outside"
    into.mkdir()
    outside.write_bytes(b"mine")
    (into / "api.tar").symlink_to(outside)
    await shop.shelf.fetch(API, str(into))
    assert outside.read_bytes() == b"mine"
    assert (into / "api.tar").read_bytes() == b"package"


async def test_damaged_content_is_never_given_and_the_same_upload_mends_it(shop: Shop, tmp_path: Path) -> None:
    await shop.put(f"{API}/api.tar", b"hello")
    [content] = shop.contents()
    content.write_bytes(b"jello")
    with pytest.raises(DamagedPackage):
        await shop.shelf.fetch(API, str(tmp_path / "into"))
    assert list((tmp_path / "into").iterdir()) == []
    content.unlink()
    with pytest.raises(DamagedPackage):
        await shop.read(f"{API}/api.tar")
    assert (await shop.put(f"{API}/api.tar", b"hello"))[1] is False
    assert await shop.read(f"{API}/api.tar") == b"hello"


async def test_what_is_not_what_was_announced_is_not_kept(shop: Shop) -> None:
    with pytest.raises(WrongContent, match="was announced"):
        await shop.put(f"{API}/api.tar", b"hello", sha256="0" * 64)
    assert shop.contents() == shop.drafts_left() == []


async def test_a_full_organization_is_told_what_uses_its_room(store: SqlStore, tmp_path: Path) -> None:
    shop = a_shop(store, tmp_path, Limits(file=600, organization=1000, total=1500))
    await shop.put("acme/shop/api/1/a", b"a" * 500)
    await shop.put("acme/shop/web/1/b", b"b" * 400)
    with pytest.raises(QuotaExceeded) as told:
        await shop.put("acme/shop/web/2/c", b"c" * 200)
    said = f"{told.value} {told.value.hint}"
    for words in ("acme has used 900 B of 1000 B", "200 B more", "acme/shop/api 500 B", "SLUICE_PACKAGES_ORGANIZATION"):
        assert words in said
    with pytest.raises(QuotaExceeded):
        await shop.shelf.may_take(parse("acme/shop/web/2/c"), 200)
    await shop.put("other/x/y/1/a", b"a" * 500)
    await shop.put("other/x/y/1/d", b"d" * 50)
    with pytest.raises(QuotaExceeded, match=r"The package store has used 950 B of 1\.5 KiB"):
        await shop.put("third/x/y/1/e", b"e" * 600)
    with pytest.raises(TooLarge):
        await shop.put("third/x/y/1/f", b"f" * 601)
    await shop.shelf.delete(parse("acme/shop/api/1"), ANN)
    await shop.put("acme/shop/web/2/c", b"c" * 200)


async def test_room_that_an_upload_has_set_aside_is_nobody_elses(shop: Shop, store: SqlStore) -> None:
    path = parse(f"{API}/big.tar")
    upload = PackageUpload("up1", path, 99_000, "", ANN, T0, T0 + timedelta(days=1))
    await store.transact(lambda book: book.packages.uploads.add(upload))
    with pytest.raises(QuotaExceeded):
        await shop.put(f"{API}/other.tar", b"x" * 2000)
    draft = "up1"
    shop.shelf.files.append(draft, b"y" * 9_000)
    await shop.shelf.take(draft, path, ANN)
    assert (await store.read(lambda book: book.packages.uploads.find("up1"))) == replace(upload, is_done=True)
    await shop.put(f"{API}/other.tar", b"x" * 2000)
    shop.clock.pass_time(timedelta(days=2))
    await shop.shelf.tidy()
    assert await store.read(lambda book: book.packages.uploads.find("up1")) is None


async def test_an_upload_is_taken_up_again_by_whoever_began_it(store: SqlStore) -> None:
    upload = PackageUpload("up1", parse(f"{API}/big.tar"), 9, "a" * 64, ANN, T0, T0 + timedelta(days=1))
    await store.transact(lambda book: book.packages.uploads.add(upload))
    for again, found in (
        (replace(upload, id="up2"), upload),
        (replace(upload, by=BOB), None),
        (replace(upload, sha256="b" * 64), None),
        (replace(upload, at=T0 + timedelta(days=2)), None),
    ):
        assert await store.read(lambda book, one=again: book.packages.uploads.same(one)) == found  # type: ignore[misc]
    assert await store.read(lambda book: book.packages.uploads.count(ANN, T0)) == 1


async def test_packages_are_listed_and_searched_by_path_and_description(shop: Shop, store: SqlStore) -> None:
    await shop.put(f"{API}/api.tar", b"hello")
    await shop.put("acme/shop/api/2.0/api.tar", b"hello!")
    made = parse("beta/tools/lint_100")
    assert await store.transact(lambda book: book.packages.create(made, BOB, T0, "Finds what is Wrong"))
    assert not await store.transact(lambda book: book.packages.create(made, ANN, T0, "again"))

    async def found(words: str) -> list[str]:
        return [str(one.path) for one in await store.read(lambda book: book.packages.search(words, 10))]

    assert await found("") == ["acme/shop/api", "beta/tools/lint_100"]
    assert await found("wrong LINT") == ["beta/tools/lint_100"]
    assert await found("%") == []
    assert await found("lint_1") == ["beta/tools/lint_100"]
    assert await found("_") == ["beta/tools/lint_100"]
    assert await found("shop/api") == ["acme/shop/api"]
    api = await store.read(lambda book: book.packages.find(parse("acme/shop/api")))
    assert api is not None
    assert (api.versions, api.files, api.size) == (2, 2, 11)
    assert await store.read(lambda book: book.packages.search("", 1, "acme/shop/api")) != []
    versions = await store.read(lambda book: book.packages.versions(parse("acme/shop/api"), 9))
    assert {one.path.version for one in versions} == {"1.0", "2.0"}


async def test_what_a_process_kept_is_there_for_the_next_one(shop: Shop, url: str, tmp_path: Path) -> None:
    await shop.put(f"{API}/api.tar", b"hello")
    async with opened(url) as again:
        assert await a_shop(again, tmp_path).read(f"{API}/api.tar") == b"hello"


async def test_a_version_with_several_files_asks_which_one_is_meant(shop: Shop) -> None:
    await shop.put(f"{API}/api.tar", b"1")
    assert await shop.shelf.only_file(parse(API)) == parse(f"{API}/api.tar")
    await shop.put(f"{API}/notes.txt", b"2")
    with pytest.raises(Refused, match="has 2 files"):
        await shop.shelf.only_file(parse(API))
    with pytest.raises(NoPackage, match="no package acme/shop/api/7"):
        await shop.shelf.only_file(parse("acme/shop/api/7"))


async def test_a_token_is_good_until_it_expires_or_is_revoked(store: SqlStore) -> None:
    token = PackageToken("id1", "ci", "f" * 64, ANN, "acme", Right.WRITE, T0, T0 + timedelta(days=30))
    await store.transact(lambda book: book.packages.tokens.add(token))
    assert await store.read(lambda book: book.packages.tokens.find("id1")) == token
    assert await store.read(lambda book: book.packages.tokens.of(ANN)) == [token]
    assert token.is_good(T0)
    assert not token.is_good(T0 + timedelta(days=30))
    await store.transact(lambda book: book.packages.tokens.revoke("id1", T0))
    found = await store.read(lambda book: book.packages.tokens.find("id1"))
    assert found is not None
    assert not found.is_good(T0)
    assert await store.read(lambda book: book.packages.tokens.of(ANN)) == []
    assert Right.DELETE.includes(Right.READ)
    assert not Right.READ.includes(Right.WRITE)


def test_a_path_of_a_draft_is_only_what_sluice_made(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="did not make"):
        PackageFiles(tmp_path).draft("../x")
