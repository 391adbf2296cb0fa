"""Every way in which a definition cannot stand: the path, the line, what is wrong and what to write instead."""

from pathlib import Path

import pytest

from engine.pipeline import Complaint, Complaints, check, parse

REFERENCE = (Path(__file__).parents[2] / "deploy" / "pipeline.reference.yaml").read_text(encoding="utf-8")

# What is replaced in the reference, by what, and then: the path, and words of the problem and of the advice.
REFUSALS = [
    ("pipeline: shop-api", "pipeline: Shop_API", "pipeline", "'Shop_API' is not a name", "shop-api"),
    ("pipeline: shop-api", "pipeline: x-${tag}", "pipeline", "holds ${tag}, but it is read before", "the text itself"),
    ("pipeline: shop-api\n", "", "pipeline", "pipeline is missing", "pipeline: shop-api"),
    ("group: shop", "gruop: shop", "gruop", "'gruop' is not a known key", "group"),
    ("group: shop", "zzz: shop", "zzz", "'zzz' is not a known key", "one of pipeline, stages, group"),
    ("group: shop", "group: [a]", "group", "a list stands where one text", "one text"),
    ("group: shop", "group:", "group", "is empty", "leave the key out"),
    ("concurrency: queue", "concurrency: queu", "concurrency", "is none of queue, reject, replace", "queue"),
    ("  tag: v1", "  SYS_TAG: v1\n  tag: v1", "variables.SYS_TAG", "is kept for Sluice", "TAG"),
    ("  tag: v1", "  1tag: v1\n  tag: v1", "variables.1tag", "is not the name of a variable", "no digit in front"),
    ("tag: ${tag}\n", "tag: ${tga}\n", "stages[0].source.tag", "${tga} is not a declared variable", "${tag}"),
    ("tag: ${tag}\n", "tag: ${my-tag}\n", "stages[0].source.tag", "'${my-tag}' names no variable", "$${my-tag}"),
    ('"building ${tag}"', '"${HOME}"', "stages[1].build.script", "${HOME} is not a declared", "variable of the shell"),
    (
        "      version: tag\n  # An",
        "      version: tga\n  # An",
        "starts[1].parameters.version",
        "'tga' is not a",
        "tag",
    ),
    ("person: ann", "email: a@b\n      person: ann", "notify.on_failure[0]", "has person and email", "exactly one of"),
    ("cron: ", "webhook: x\n    cron: ", "starts[0]", "has cron and webhook", "exactly one of cron, webhook, channel"),
    ("30 6 * * mon-fri", "30 6 * mon-fri", "starts[0].cron", "has 4 fields and not five", "30 6 * * mon-fri"),
    ("30 6 * * mon-fri", "99 6 * * mon-fri", "starts[0].cron", "is not a cron expression", "30 6 * * mon-fri"),
    ("30 6 * * mon-fri", "30 6 * * 1-5", "starts[0].cron", "gives weekdays by number", "mon, tue"),
    ("30 6 * * mon-fri", "0 0 30 2 *", "starts[0].cron", "names a day that never comes", "a day that the month has"),
    ("Europe/Berlin", "Europe/Berlim", "starts[0].timezone", "is no time zone", "Europe/Berlin"),
    ("Europe/Berlin", "Europe", "starts[0].timezone", "is no time zone", "Europe/Berlin"),
    (
        "https://git.",
        "https://me:pw@git.",
        "stages[0].source.git",
        "a user name or a password",
        "name an account instead",
    ),
    (
        "https://git.",
        "https://token@git.",
        "stages[0].source.git",
        "a user name or a password",
        "name an account instead",
    ),
    (
        "https://git.",
        "ssh://git:pw@git.",
        "stages[0].source.git",
        "a user name or a password",
        "name an account instead",
    ),
    ("https://git.", "http://git.", "stages[0].source.git", "http is not encrypted", "https://host/path"),
    (
        "https://git.",
        "ext::sh -c id ",
        "stages[0].source.git",
        "cannot be used",
        "https://host/path",
    ),
    ("https://git.", "--upload-pack=id ", "stages[0].source.git", "begins with a dash", "https://host/path"),
    ("tag: ${tag}\n", "tag: --x\n", "stages[0].source.tag", "it begins with a dash", "its plain name"),
    ("  tag: v1", "  tag: v 1", "stages[0].source.tag", "it has a space", "its plain name"),
    ("# branch: main", "branch: main", "stages[0].source.tag", "stands beside a branch", "one of the two"),
    ("hold: 30m", "hold: 30", "stages[0].on_error.hold", "30 has no unit", "30s, 30m or 30h"),
    ("hold: 30m", "hold: half", "stages[0].on_error.hold", "'half' is not a duration", "1h30m"),
    ("hold: 30m", "hold: 999999999d", "stages[0].on_error.hold", "is too long", "365d or less"),
    ("timeout: 10m", "timeout: 0s", "stages[0].timeout", "0s is too short", "50ms or more"),
    ("do: stop", "do: stopp", "stages[0].on_error.do", "'stopp' is none of return_to_start, stop, ignore", "stop"),
    (
        "https://hooks.",
        "ftp://hooks.",
        "stages[0].tell[1].webhook",
        "is not a web address",
        "https://hooks.example.com",
    ),
    ("shop/api:${tag}", "api:${tag}", "stages[1].build.image", "'api:v1' is not an image name (from", "shop/api:v1"),
    ("instances: ${replicas}", "instances: 0", "stages[2].gray.instances", "0 is too few", "1 to 300"),
    ("instances: ${replicas}", "instances: 301", "stages[2].gray.instances", "301 is too many", "1 to 300"),
    ("instances: ${replicas}", "instances: 5.5", "stages[2].gray.instances", "'5.5' is not a whole", "1 to 300"),
    ("instances: ${replicas}", "instances: 1", "stages[2].gray.instances", "no stable instance", "2 or more"),
    ("value: 5", "value: 301", "stages[2].gray.instances", "301 is too many (from '${replicas}')", "1 to 300"),
    ("_instances: 20%", "_instances: 5", "stages[2].gray.gray_instances", "5 gray instances leave no stable", "1 to 4"),
    ("_instances: 20%", "_instances: 81%", "stages[2].gray.gray_instances", "5 gray instances leave no", "1 to 4"),
    ("_instances: 20%", "_instances: 0", "stages[2].gray.gray_instances", "to nobody", "1 to 4"),
    ("_instances: 20%", "_instances: 101%", "stages[2].gray.gray_instances", "neither a count nor a", "20%"),
    (
        "preview_port: 18081",
        "preview_port: 18080",
        "stages[2].gray.service.preview_port",
        "18080 is the",
        "another port",
    ),
    ("port: 18080", "port: 70000", "stages[2].gray.service.port", "70000 is too", "from 1 to 65535"),
    ("      service:\n", "      services:\n", "stages[2].gray.services", "exactly one service", "service: {port"),
    ("      drain: 5s", "      service: {port: 1}", "stages[2].gray.service", "stands twice; the first is on", "once"),
    ("http: /healthz", "http: healthz", "stages[2].gray.readiness.http", "'healthz' is not a path", "/healthz"),
    ("GREETING: hello", 'PORT: "1"', "stages[2].gray.environment", "sets PORT", "another name"),
    ("ratio: 20", "ratio: 101", "stages[2].gray.policy.ratio", "101 is too many", "0 to 100"),
    ('"beta=yes"', '"beta"', "stages[2].gray.policy.content[0].cookie", "'beta' is not one cookie", "beta=yes"),
    (
        "team-(a|b)",
        "team-(a",
        "stages[2].gray.policy.content[1].headers.X-Tester.regex",
        "is not an RE2",
        "look-around",
    ),
    ("team-(a|b)", "(?=a)b", "stages[2].gray.policy.content[1].headers.X-Tester.regex", "is not an RE2", "look-around"),
    ("X-Tester:", "Host:", "stages[2].gray.policy.content[1].headers.Host", "never reaches the rule", "X-Tester"),
    ("X-Tester:", '":path":', 'stages[2].gray.policy.content[1].headers[":path"]', "is not the name of a", "X-Tester"),
    ("X-Tester:", "Cookie:", "stages[2].gray.policy.content[1].headers.Cookie", "is tested as a whole", "cookie rule"),
    ("[ios, ", "[iOS, ", "stages[2].gray.policy.content[1].systems[0]", "'iOS' is none of ios", "ios"),
    ("[ann, bob]", "[an, bob]", "stages[3].review.reviewers[0]", "nobody is known as 'an'", "ann"),
    ("[ann, bob]", "[]", "stages[3].review.reviewers", "is an empty list", "at least 1"),
    ("[ann, bob]", "[ann, ann]", "stages[3].review.reviewers", "names 'ann' more than once", "each reviewer once"),
    ("person: ann", "person: zoe", "notify.on_failure[0].person", "nobody is known as 'zoe'", "one of ann, bob"),
    ("name: image", "name: code", "stages[1].name", "'code' is the name of stages[0] too", "another name"),
    ("    official: {}", "    official:", "stages[4].official", "is empty", "official: {}"),
    ("    official: {}", "    offical: {}", "stages[4]", "has none of source, build", "exactly one of"),
    (
        "    official: {}",
        "    official: {instances: 3}",
        "stages[4].official",
        "has settings, but after a",
        "official: {}",
    ),
    ("web: python3 server.py", "web: run ${tag}${x}", "stages[1].build.procfile", "${x} is not a declared", "$${x}"),
]

HEAD = "pipeline: p\nstages:\n"
SOURCE = "- name: s\n  source: {git: https://h/r}\n"
BUILD = "- name: b\n  build: {image: o/r:t}\n"
GRAY = "- name: g\n  gray: {service: {port: 1}}\n"
WITH_IMAGE = "- name: i\n  gray: {image: o/r:t, service: {port: 1}}\n"
FOLLOWING = "- name: o\n  official: {}\n"
REVIEW = "- name: v\n  review: {reviewers: [ann]}\n"
ALONE = "- name: a\n  official: {image: o/r:t, service: {port: 1}}\n"

ORDERS = [
    (BUILD, "stages[0].build", "no stage before it has a source"),
    (BUILD + SOURCE, "stages[0].build", "no stage before it has a source"),
    (GRAY, "stages[0].gray", "names no image"),
    (SOURCE + GRAY, "stages[1].gray", "names no image"),
    (WITH_IMAGE + WITH_IMAGE.replace("name: i", "name: j"), "stages[1].gray", "is the second gray stage"),
    (WITH_IMAGE + FOLLOWING + FOLLOWING.replace("name: o", "name: j"), "stages[2].official", "the second official"),
    (FOLLOWING + WITH_IMAGE, "stages[0].official", "stands before the gray stage"),
    (FOLLOWING, "stages[0].official", "has no settings, and no gray stage to follow"),
    (WITH_IMAGE + FOLLOWING + REVIEW, "stages[2].review", "nothing is left to decide about"),
    (ALONE + REVIEW, "stages[1].review", "nothing is left to decide about"),
    (WITH_IMAGE + ALONE, "stages[1].official", "has settings, but after a gray stage"),
    ("- name: a\n  official: {service: {port: 1}}\n", "stages[0].official", "names no image"),
]
ALONE_WITH_GRAY_KEYS = HEAD + ALONE.replace("image:", "gray_instances: 1, policy: {ratio: 5}, image:")


@pytest.mark.parametrize(("old", "new", "path", "problem", "instead"), REFUSALS)
def test_a_mistake_is_told_with_its_path_its_line_and_what_to_write(
    old: str, new: str, path: str, problem: str, instead: str
) -> None:
    assert old in REFERENCE
    text = REFERENCE.replace(old, new, 1)
    found = check(text, people=("ann", "bob"))
    told = [one for one in found if one.path == path and problem in one.problem]
    assert told, found
    assert instead in told[0].instead
    changed = [number for number, line in enumerate(text.splitlines(), 1) if line not in REFERENCE.splitlines()]
    assert not changed or "(from" in told[0].problem or told[0].line in range(changed[0] - 3, changed[0] + 3)


@pytest.mark.parametrize(("stages", "path", "problem"), ORDERS)
def test_stages_in_an_order_that_cannot_work_are_refused(stages: str, path: str, problem: str) -> None:
    (only,) = check(HEAD + stages)
    assert only.path == path
    assert problem in only.problem


@pytest.mark.parametrize(
    "stages",
    [
        SOURCE + BUILD + GRAY + FOLLOWING,
        WITH_IMAGE,
        SOURCE + BUILD,
        ALONE,
        WITH_IMAGE + FOLLOWING,
        REVIEW + WITH_IMAGE + REVIEW.replace("name: v", "name: w") + FOLLOWING,
        REVIEW + ALONE,
    ],
)
def test_stages_in_an_order_that_works_are_accepted(stages: str) -> None:
    assert check(HEAD + stages) == ()


def test_an_official_release_of_its_own_has_no_gray_part() -> None:
    assert [one.path for one in check(ALONE_WITH_GRAY_KEYS)] == [
        "stages[0].official.gray_instances",
        "stages[0].official.policy",
    ]


def test_every_mistake_is_told_at_once_in_the_order_of_lines() -> None:
    text = REFERENCE
    for old, new in (
        ("group: shop", "gruop: shop"),
        ("do: stop", "do: halt"),
        ("instances: ${replicas}", "instances: 301"),
        ("_instances: 20%", "_instances: many"),
        ("port: 18080", "port: http"),
        ("mode: all\n      # By", "mode: most\n      # By"),
        ("official: {}", "official: {strategy: canary}"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    found = check(text, people=("bob",))
    assert [one.path for one in found] == [
        "gruop",
        "notify.on_failure[0].person",
        "stages[0].on_error.do",
        "stages[2].gray.instances",
        "stages[2].gray.gray_instances",
        "stages[2].gray.service.port",
        "stages[3].review.mode",
        "stages[3].review.reviewers[0]",
        "stages[4].official",
    ]
    assert [one.line for one in found] == sorted(one.line for one in found)


def test_a_rule_between_keys_is_told_though_another_key_is_wrong() -> None:
    text = HEAD + "- name: g\n  gray: {image: o/r:t, instances: 3, gray_instances: 3, drain: x, service: {port: 1}}\n"
    assert {one.path for one in check(text)} == {"stages[0].gray.gray_instances", "stages[0].gray.drain"}


def test_no_complaint_speaks_the_language_of_a_library() -> None:
    text = (
        HEAD + "- 5\n- name: {}\n  official: 7\n  timeout: []\n  tell: {}\n  conditions: {of: 5}\n  gray: [service]\n"
    )
    told = " ".join(f"{one.problem} {one.instead}" for one in check(text))
    for word in ("pydantic", "Input", "valid ", "type=", "NoneType", "dictionary", "tuple", "deployment.", "url"):
        assert word not in told


def test_no_complaint_repeats_a_password() -> None:
    found = check(REFERENCE.replace("https://git.", "https://me:hunter2@git."))
    assert found
    assert "hunter2" not in repr(found)


def test_a_local_repository_is_refused_where_the_settings_say_so() -> None:
    text = HEAD + SOURCE.replace("https://h/r", "/srv/git/shop.git")
    assert check(text) == ()
    (only,) = check(text, allow_local=False)
    assert only.path == "stages[0].source.git"
    assert "local paths are switched off here" in only.problem


@pytest.mark.parametrize(
    "url", ["https://h:8443/a/b.git", "ssh://git@h:22/a", "git@h:a/b.git", "h:a/b", "file:///srv/a", "/a"]
)
def test_addresses_of_repositories_that_are_usual_are_accepted(url: str) -> None:
    assert check(HEAD + SOURCE.replace("https://h/r", f'"{url}"')) == ()


def test_parse_refuses_with_every_complaint_and_says_what_to_do_next() -> None:
    with pytest.raises(Complaints) as refused:
        parse(HEAD + GRAY.replace("1", "x"))
    assert len(refused.value.complaints) == 2
    assert all(isinstance(one, Complaint) for one in refused.value.complaints)
    assert "Line 4: stages[0].gray.service.port: 'x' is not a whole number" in str(refused.value)
    assert refused.value.hint


def test_an_unknown_key_is_answered_with_the_nearest_known_one_alone_or_with_all_of_them() -> None:
    (near,) = check(REFERENCE.replace("group: shop", "gruop: shop"))
    (far,) = check(REFERENCE.replace("group: shop", "zzz: shop"))
    assert near.instead == "group"
    assert far.instead.startswith("one of pipeline, stages, group, ")
