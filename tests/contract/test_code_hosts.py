"""One suite for every forge: who one is, what one sees, webhooks, and what git is told. GitHub's is in tests/live."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.addresses import parse_network
from engine.errors import Refused
from engine.forges.hosting import (
    Access,
    CodeHost,
    ForgeAway,
    ForgeBroken,
    ForgeName,
    HookWish,
    NotAllowed,
    NotThere,
    PrivateForge,
    RateLimited,
    SignInRefused,
)
from engine.forges.hosts import Hosts, api_of
from tests.support.forge_flavours import DEVCLOUD_SECRET, GITEE_TOKEN, GITLAB_TOKEN, devcloud, gitee, gitlab
from tests.support.forge_server import LOGIN, ForgeServer, Trouble
from tests.support.repository import Repository

_SERVED = {
    ForgeName.GITLAB: (gitlab, GITLAB_TOKEN),
    ForgeName.GITEE: (gitee, GITEE_TOKEN),
    ForgeName.DEVCLOUD: (devcloud, DEVCLOUD_SECRET),
}
WISH = HookWish("https://sluice.example.com/push/one", "s3cret", pushes=True, tags=True)


@dataclass
class World:
    """A forge, an account there, and whoever asks."""

    forge: ForgeName
    server: ForgeServer
    host: CodeHost
    hosts: Hosts

    def again(self, secret: str) -> CodeHost:
        """Sign in with something else."""
        return self.hosts.of(_access(self.forge, self.server, secret))


def _access(forge: ForgeName, server: ForgeServer, secret: str) -> Access:
    return Access(forge, server.origin, api_of(forge, server.origin), secret, LOGIN)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Repositories, made once: the forges only read them."""
    place = tmp_path_factory.mktemp("forge")
    for name in ("shop/api", "shop/web", "tools/lint"):
        Repository(place / name).commit()
    first = Repository(place / "shop" / "api")
    for name in ("one", "two", "three"):
        first.git("branch", name)
        first.git("tag", f"v-{name}")
    return place


@pytest.fixture(params=list(_SERVED), ids=str)
async def world(request: pytest.FixtureRequest, root: Path) -> AsyncIterator[World]:
    forge: ForgeName = request.param
    serve, secret = _SERVED[forge]
    hosts = Hosts((parse_network("127.0.0.0/8"),))
    with serve(root) as server:
        yield World(forge, server, hosts.of(_access(forge, server, secret)), hosts)
    await hosts.close()


async def test_it_tells_who_one_is(world: World) -> None:
    found = await world.host.whoami()
    assert (found.login, found.missing) == (LOGIN, ())


async def test_a_wrong_token_is_refused_and_not_repeated(world: World) -> None:
    wrong = "wr0ng-t0ken" if world.forge is not ForgeName.DEVCLOUD else "WRONGKEY wr0ng-t0ken"
    with pytest.raises(SignInRefused) as refused:
        await world.again(wrong).whoami()
    assert "wr0ng" not in f"{refused.value} {refused.value.hint}"


async def test_namespaces_and_repositories_are_listed_page_by_page(world: World) -> None:
    assert {one.path for one in (await world.host.namespaces()).items} == {"shop", "tools"}
    found, page = [], ""
    while True:
        listed = await world.host.repositories(page=page)
        found += [one.path for one in listed.items]
        page = listed.next
        if not page:
            break
    assert sorted(found) == ["shop/api", "shop/web", "tools/lint"]
    assert {one.path for one in (await world.host.repositories("tools")).items} == {"tools/lint"}


async def test_branches_and_tags_are_listed_page_by_page(world: World) -> None:
    for ask, names in (
        (world.host.branches, {"main", "one", "two", "three"}),
        (world.host.tags, {"v-one", "v-two", "v-three"}),
    ):
        first = await ask("shop/api")
        assert len(first.items) == 2
        rest = await ask("shop/api", first.next)
        assert {one.name for one in (*first.items, *rest.items)} == names
        assert all(len(one.sha) == 40 for one in first.items)


async def test_one_repository_is_found_and_another_is_not(world: World) -> None:
    found = await world.host.repository("shop/api")
    assert found.path == "shop/api"
    assert found.clone.startswith(world.server.origin)
    with pytest.raises(NotThere):
        await world.host.repository("shop/nothing")


async def test_a_webhook_is_attached_found_changed_and_taken_away(world: World) -> None:
    number = await world.host.create_hook("shop/api", WISH)
    [found] = await world.host.hooks("shop/api")
    assert (found.id, found.url, found.fits(WISH)) == (number, WISH.url, True)
    fewer = HookWish(WISH.url, "other", pushes=True, tags=False)
    await world.host.update_hook("shop/api", number, fewer)
    [found] = await world.host.hooks("shop/api")
    assert (found.pushes, found.tags) == (True, False)
    assert not found.fits(WISH)
    [kept] = world.server.hooks["shop/api"]
    assert "other" in kept.values()
    await world.host.delete_hook("shop/api", number)
    await world.host.delete_hook("shop/api", number)
    assert list(await world.host.hooks("shop/api")) == []


async def test_every_webhook_is_seen_though_they_come_in_pages(world: World) -> None:
    for number in range(5):
        await world.host.create_hook("shop/api", HookWish(f"https://example.com/{number}", "s"))
    assert len(await world.host.hooks("shop/api")) == 5


async def test_what_the_account_may_not_is_said_with_what_it_was(world: World) -> None:
    world.server.denied.add("POST ")
    with pytest.raises(NotAllowed, match="attach a webhook to shop/api"):
        await world.host.create_hook("shop/api", WISH)


async def test_git_is_told_what_the_forge_wants(world: World) -> None:
    credential = await world.host.credential()
    assert credential.secret in (GITLAB_TOKEN, GITEE_TOKEN, "git-password")


async def test_a_forge_that_limits_is_waited_for_once_or_said(world: World) -> None:
    world.server.trouble.append(Trouble(429, {"Retry-After": "0"}))
    await world.host.whoami()
    world.server.trouble.append(Trouble(429, {"Retry-After": "120"}))
    with pytest.raises(RateLimited) as limited:
        await world.host.whoami()
    assert limited.value.after.total_seconds() == 120


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (Trouble(502), ForgeAway),
        (Trouble(200, body="<html>Sign in</html>"), ForgeBroken),
        (Trouble(200, body="[[["), ForgeBroken),
        (Trouble(200, body="7"), ForgeBroken),
        (Trouble(302, {"Location": "http://10.0.0.1/user"}), ForgeBroken),
        (Trouble(302, {"Location": "https://evil.example/user"}), ForgeBroken),
        (Trouble(200, body="[" * 100_000), ForgeBroken),
    ],
    ids=lambda value: f"{value.status} {value.body[:10]}" if isinstance(value, Trouble) else "",
)
async def test_an_answer_that_is_none_is_an_error_of_ours(
    world: World, trouble: Trouble, error: type[Exception]
) -> None:
    world.server.trouble.append(trouble)
    with pytest.raises(error):
        await world.host.whoami()


async def test_a_forge_in_a_private_network_is_not_asked_unless_the_settings_name_it(world: World) -> None:
    hosts = Hosts()
    secret = _SERVED[world.forge][1]
    with pytest.raises(PrivateForge) as refused:
        await hosts.of(_access(world.forge, world.server, secret)).whoami()
    assert "SLUICE_PRIVATE_FORGES" in refused.value.hint
    assert world.server.asked == []
    await hosts.close()


async def test_a_path_that_climbs_stays_a_name(world: World) -> None:
    with pytest.raises(Refused):
        await world.host.hooks("shop/../../../admin")
