"""What forges tell of a push is read alike, and what proves nothing is not believed."""

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engine.definition import AutoBuild, Source
from engine.errors import Refused
from engine.forges.auto_build import Passes, Starts, Wanted, decide, matches
from engine.forges.hosting import ForgeName
from engine.forges.payloads import Push, Unreadable, is_ping, read_push
from engine.forges.proving import Delivery, event_of, is_proven, keys_of, signing_key, signing_token
from tests.support.push_payloads import NOTHING, Json, Posted, Told, payload_of, posted

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECRET = "s3cret-of-the-webhook"
FORGES = list(ForgeName)
PUSH = Push("branch", "main", "a" * 40, "b" * 40, "shop/api", "ann-dev", "Ann", "Sell more", 1)


def delivery(made: Posted) -> Delivery:
    return Delivery({name.lower(): value for name, value in made.headers.items()}, made.body)


def read(forge: ForgeName, told: Told) -> Push:
    payload = payload_of(forge, told)
    event = event_of(forge, delivery(posted(forge, payload, SECRET)))
    found = read_push(forge, event, payload)
    assert found is not None
    return found


@pytest.mark.parametrize("forge", FORGES)
def test_every_forge_tells_of_a_push_to_a_branch_alike(forge: ForgeName) -> None:
    found = read(forge, Told())
    assert (found.kind, found.ref, found.before, found.after) == ("branch", "main", "a" * 40, "b" * 40)
    assert (found.repository, found.login, found.subject) == ("shop/api", "ann-dev", "Sell more")
    assert not found.is_new
    assert not found.is_deletion


@pytest.mark.parametrize("forge", FORGES)
def test_every_forge_tells_of_new_tags_and_of_deleted_branches_alike(forge: ForgeName) -> None:
    tag = read(forge, Told("refs/tags/v1", NOTHING))
    assert (tag.kind, tag.ref, tag.is_new) == ("tag", "v1", True)
    gone = read(forge, Told(after=NOTHING))
    assert (gone.is_deletion, gone.after) == (True, "")


def test_a_tag_with_a_message_is_the_commit_that_it_names() -> None:
    payload = payload_of(ForgeName.GITLAB, Told("refs/tags/v1", NOTHING)) | {"checkout_sha": "c" * 40}
    found = read_push(ForgeName.GITLAB, "Tag Push Hook", payload)
    assert found is not None
    assert found.after == "c" * 40


@pytest.mark.parametrize("forge", FORGES)
def test_what_is_no_push_is_none(forge: ForgeName) -> None:
    other: Json = {"object_kind": "issue", "hook_name": "issue_hooks", "action": "opened"}
    assert read_push(forge, "issues" if forge is ForgeName.GITHUB else "Issue Hook", other) is None


@pytest.mark.parametrize("forge", FORGES)
@pytest.mark.parametrize(
    "wrong",
    [
        {"ref": "refs/pull/1/head"},
        {"ref": None},
        {"ref": 7},
        {"after": "not a commit"},
        {"before": "b" * 41},
        {"repository": None, "project": None},
    ],
    ids=str,
)
def test_a_push_that_is_not_written_like_one_is_refused(forge: ForgeName, wrong: Json) -> None:
    payload = payload_of(forge, Told()) | wrong
    event = event_of(forge, delivery(posted(forge, payload, SECRET)))
    with pytest.raises(Unreadable):
        read_push(forge, event, payload)


def test_what_a_stranger_wrote_becomes_one_short_line() -> None:
    found = read(ForgeName.GITHUB, Told(message="a\x00b\u202e" + "c" * 500 + "\nsecond line"))
    assert found.subject.isprintable()
    assert len(found.subject) <= 200


def test_only_github_tries_an_address_with_a_ping() -> None:
    assert is_ping(ForgeName.GITHUB, "ping", {"zen": "Keep it simple.", "hook_id": 1})
    assert not is_ping(ForgeName.GITLAB, "ping", {"hook_id": 1})


@pytest.mark.parametrize("forge", FORGES)
@pytest.mark.parametrize("sign", [False, True])
def test_what_proves_the_secret_is_believed_and_nothing_else(forge: ForgeName, *, sign: bool) -> None:
    made = posted(forge, payload_of(forge, Told()), SECRET, at=NOW.timestamp(), sign=sign)
    assert is_proven(forge, SECRET, delivery(made), NOW)
    assert not is_proven(forge, "another", delivery(made), NOW)
    assert not is_proven(forge, "", delivery(made), NOW)
    assert not is_proven(forge, SECRET, Delivery({"content-type": "application/json"}, made.body), NOW)


@pytest.mark.parametrize("forge", FORGES)
def test_a_delivery_of_one_forge_proves_nothing_as_another(forge: ForgeName) -> None:
    made = delivery(posted(forge, payload_of(forge, Told()), SECRET, at=NOW.timestamp()))
    assert [one for one in FORGES if is_proven(one, SECRET, made, NOW)] == [forge]


def test_githubs_own_example_of_a_signature_is_believed() -> None:
    headers = {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}
    assert is_proven(ForgeName.GITHUB, "It's a Secret to Everybody", Delivery(headers, b"Hello, World!"), NOW)


def test_a_changed_body_is_not_believed_where_the_body_is_signed() -> None:
    for forge in (ForgeName.GITHUB, ForgeName.GITLAB):
        made = delivery(posted(forge, payload_of(forge, Told()), SECRET, at=NOW.timestamp(), sign=True))
        assert not is_proven(forge, SECRET, replace(made, body=made.body + b" "), NOW)


@pytest.mark.parametrize("forge", [ForgeName.GITLAB, ForgeName.GITEE])
@pytest.mark.parametrize("late", [timedelta(hours=2), -timedelta(hours=2)])
def test_a_signed_time_of_another_hour_is_not_believed(forge: ForgeName, late: timedelta) -> None:
    made = posted(forge, payload_of(forge, Told()), SECRET, at=NOW.timestamp(), sign=True)
    assert not is_proven(forge, SECRET, delivery(made), NOW + late)


@pytest.mark.parametrize("moment", ["", "x", "9" * 40, "-1", "1e9", "\u0661"])
def test_a_time_that_is_none_is_not_believed(moment: str) -> None:
    signed = hmac.new(SECRET.encode(), f"{moment}\n{SECRET}".encode(), hashlib.sha256).digest()
    headers = {"x-gitee-token": base64.b64encode(signed).decode(), "x-gitee-timestamp": moment}
    assert not is_proven(ForgeName.GITEE, SECRET, Delivery(headers, b"{}"), NOW)


def test_gitlabs_signing_token_holds_the_key() -> None:
    assert base64.b64decode(signing_token(SECRET).removeprefix("whsec_")) == signing_key(SECRET)


def test_a_signed_body_under_another_id_is_the_same_delivery() -> None:
    payload = payload_of(ForgeName.GITHUB, Told())
    one = keys_of(ForgeName.GITHUB, delivery(posted(ForgeName.GITHUB, payload, SECRET, number="1")))
    two = keys_of(ForgeName.GITHUB, delivery(posted(ForgeName.GITHUB, payload, SECRET, number="2")))
    assert set(one) & set(two)
    assert set(one) != set(two)


@pytest.mark.parametrize("forge", FORGES)
def test_a_delivery_that_comes_again_has_the_same_name(forge: ForgeName) -> None:
    made = delivery(posted(forge, payload_of(forge, Told()), SECRET, number="1", at=7.0))
    assert keys_of(forge, made) == keys_of(forge, made) != ()


def wanted(branches: tuple[str, ...] = ("main", "release/*"), tags: tuple[str, ...] = ("v*",)) -> Wanted:
    auto = AutoBuild(branches=branches, tags=tags, parameters={"branch": "branch", "tag": "tag", "commit": "sha"})
    source = Source(git="https://github.com/shop/api.git", account="github", auto_build=auto)
    return Wanted("code", source, auto)


def test_a_push_to_a_chosen_branch_starts_with_its_commit_in_a_variable() -> None:
    found = decide(PUSH, wanted())
    assert isinstance(found, Starts)
    assert (found.pushed.kind, found.pushed.ref, found.pushed.sha, found.pushed.stage) == (
        "branch",
        "main",
        "b" * 40,
        "code",
    )
    assert found.changes == {"branch": "main", "sha": "b" * 40}


def test_a_new_branch_without_new_commits_and_a_force_push_start() -> None:
    for push in (replace(PUSH, ref="release/2", before="", commits=0), replace(PUSH, forced=True, commits=0)):
        assert isinstance(decide(push, wanted()), Starts)


def test_a_new_tag_starts_and_a_moved_one_does_not() -> None:
    tag = replace(PUSH, kind="tag", ref="v1", before="")
    assert isinstance(decide(tag, wanted()), Starts)
    assert decide(replace(tag, before="a" * 40), wanted()) == Passes("tag v1 is not new, it was moved")


@pytest.mark.parametrize(
    ("push", "why"),
    [
        (replace(PUSH, after=""), "branch main was deleted"),
        (replace(PUSH, ref="other"), "branch other matches none of main, release/*"),
        (replace(PUSH, before="b" * 40), "branch main is where it was"),
        (replace(PUSH, subject="Typo [skip ci]"), "its message asks to be skipped"),
        (replace(PUSH, repository="shop/web"), "it is of shop/web, not of shop/api"),
        (replace(PUSH, login="Sluice[bot]"), "Sluice[bot] is Sluice's own account"),
    ],
)
def test_what_starts_nothing_is_said_with_the_reason(push: Push, why: str) -> None:
    assert decide(push, wanted(), ("sluice[bot]",)) == Passes(why)


def test_tags_alone_or_branches_alone_may_be_chosen() -> None:
    tag = replace(PUSH, kind="tag", ref="v1", before="")
    assert decide(tag, wanted(tags=())) == Passes("tags start nothing here")
    assert decide(PUSH, wanted(branches=())) == Passes("branches start nothing here")
    with pytest.raises(ValueError, match="neither branches nor tags"):
        AutoBuild()


@pytest.mark.parametrize(
    ("name", "pattern", "fits"),
    [
        ("main", "main", True),
        ("main2", "main", False),
        ("release/1/x", "release/*", True),
        ("v1.2", "v?.?", True),
        ("feature", "*", True),
        ("a" * 200, "*a" * 40 + "b", False),
    ],
)
def test_patterns_mean_what_people_expect_and_take_no_time(name: str, pattern: str, *, fits: bool) -> None:
    assert matches(name, pattern) is fits


def test_an_automatic_webhook_needs_an_account() -> None:
    with pytest.raises(ValueError, match="no account is named"):
        Source(git="https://github.com/shop/api.git", auto_build=AutoBuild(branches=("main",)))
    assert Source(git="https://github.com/shop/api.git", auto_build=AutoBuild(branches=("main",), webhook="manual"))
    assert issubclass(Unreadable, Refused)
