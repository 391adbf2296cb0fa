"""Keys that are taken out: the addresses that people are shown are those that work, and the old ones do not."""

from dataclasses import replace
from pathlib import Path

from bot.machines.answering import Answering
from bot.machines.stage_hooks import StageHooks
from bot.pushes.naming import Naming
from bot.remarking import remark
from bot.wiring import rewire
from storage.attached import Attached
from storage.vault import Vault, new_key
from tests.support.bot import a_bot
from tests.support.hook_calls import GATED, V2, call
from tests.support.outside import Outside, outside


def takes(world: Outside, vault: Vault) -> None:
    """Go on with these keys, as after a restart."""
    world.vault = vault
    world.hooks = StageHooks(world.store, Answering(vault, world.triggers), world.clock, world.proxies)


async def test_a_hook_has_the_address_that_is_shown_after_the_oldest_key_was_taken_out(tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    async with outside(tmp_path, vault=Vault([new, old])) as world:
        await world.define(GATED)
        before = await world.path("gated", "start", "nightly")
        takes(world, Vault([new]))
        said = await world.store.transact(lambda book: remark(book, world.vault))
        assert "hooks PIPELINE" in said
        answer = await call(world, "nightly", params=V2)
        assert answer[0] == 201, answer
        async with world.client("192.0.2.7") as client:
            assert (await client.post(before, params=V2)).status_code == 404
        assert await world.store.transact(lambda book: remark(book, world.vault)) == ""


async def test_a_new_key_in_front_changes_no_address(tmp_path: Path) -> None:
    old = new_key()
    async with outside(tmp_path, vault=Vault([old])) as world:
        await world.define(GATED)
        await world.store.transact(lambda book: rewire(book, world.vault))
        assert await world.store.transact(lambda book: remark(book, Vault([new_key(), old]))) == ""


async def test_the_token_of_a_hook_that_was_made_void_does_not_come_back(tmp_path: Path) -> None:
    async with outside(tmp_path) as world:
        await world.define(GATED)
        await world.store.transact(lambda book: rewire(book, world.vault))
        await world.store.transact(lambda book: book.pipelines.delete("gated", world.clock.now()))
        await world.store.transact(lambda book: rewire(book, world.vault))
        await world.store.transact(lambda book: remark(book, Vault([new_key()])))
        assert {one.mark for one in await world.store.read(lambda book: book.hooks.all())} == {""}


async def test_a_webhook_for_pushes_is_given_its_new_address_and_its_secret_may_be_shown_again(tmp_path: Path) -> None:
    async with outside(tmp_path) as world:
        made = Naming(world.vault).marked(Attached("p", "https://x.example/a", "github", "acc", ""))
        attached = replace(made, state="attached", hook="7", shown=True, checked_at=world.clock.now())
        await world.store.transact(lambda book: book.attached.put(attached))
        later = Vault([new_key()])
        assert await world.store.transact(lambda book: remark(book, later))
        (now,) = await world.store.read(lambda book: book.attached.all())
        assert now == replace(Naming(later).marked(attached), shown=False, checked_at=None)


async def test_a_bot_that_starts_without_its_oldest_key_says_that_addresses_are_others_now(tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    async with a_bot(tmp_path / "h", settings={"keys": f"{new},{old}"}) as bot:
        await bot.say(f"define\n{GATED}")
        before = await bot.say("hooks gated")
    async with a_bot(tmp_path / "h", settings={"keys": new}) as bot:
        assert any("The oldest key was taken out: 5 hooks" in card.title for card in await bot.cards())
        assert await bot.say("hooks gated") != before
