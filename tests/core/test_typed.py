"""What phones and pasting make of a command: typographic quotes, and markup round the whole of it."""

# ruff: noqa: RUF001 - typographic signs are what this is about

import time

import pytest

from bot.grammar import bare, begins_with_no_command, gives_reason, may_change, parse, plain
from engine.errors import Refused


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("run hello note=“two words” tag=v2", ("hello", "note=two words", "tag=v2")),
        ("run hello note=”two words” tag=v2", ("hello", "note=two words", "tag=v2")),
        ("run hello note=„zwei Worte“", ("hello", "note=zwei Worte")),
        ("run hello ‘note=two words’", ("hello", "note=two words")),
        ("run hello note=‚zwei Worte‘", ("hello", "note=zwei Worte")),
        ("run hello note=‘it’s two words’", ("hello", "note=it’s two words")),
        ('run hello note=“it\'s "two" words”', ("hello", 'note=it\'s "two" words')),
        ("run hello a=“” b=“$HOME \\n”", ("hello", "a=", "b=$HOME \\n")),
        ("show “hello”", ("hello",)),
        ("show ‘hello’", ("hello",)),
    ],
)
def test_typographic_quotes_round_a_word_or_a_value_are_plain_ones(typed: str, words: tuple[str, ...]) -> None:
    assert parse(typed).words == words


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("run hello note=it’s", ("hello", "note=it’s")),
        ("run hello 'note=say “two words” twice'", ("hello", "note=say “two words” twice")),
        ('run hello "note=‘two’ words"', ("hello", "note=‘two’ words")),
        ("run hello inch=5”", ("hello", "inch=5”")),
        ("run hello a=“b”c", ("hello", "a=“b”c")),
        ("run hello a=it's b=“c d”", ("hello", "a=it's", "b=“c", "d”")),
    ],
)
def test_other_typographic_signs_stay_what_they_are(typed: str, words: tuple[str, ...]) -> None:
    assert parse(typed).words == words


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("reject hello-2 “too slow”", ("hello-2", "“too", "slow”")),
        ("reject “hello-2” it’s ‘too slow’", ("hello-2", "it’s", "‘too", "slow’")),
        ("lock ‘hello’ Bob’s “big” audit", ("hello", "Bob’s", "“big”", "audit")),
        ("stop hello-2 the “new” one", ("hello-2", "the", "“new”", "one")),
        ("override hello “the checkout” is broken", ("hello", "“the", "checkout”", "is", "broken")),
    ],
)
def test_a_reason_stays_as_it_was_typed(typed: str, words: tuple[str, ...]) -> None:
    assert gives_reason(typed)
    assert parse(typed).words == words


def test_a_definition_stays_as_it_was_typed() -> None:
    text = "define pipeline: hello\ndescription: “It’s *ours*”"
    assert parse(text).text == text.removeprefix("define ")


@pytest.mark.parametrize("left", ["*", "**", "_", "__", "~", "`", "```", "```\n", "*_", " *", "/sluice `", "sluice *"])
@pytest.mark.parametrize("command", ["status hello", "/status hello", "STATUS hello"])
def test_markup_round_the_whole_command_is_as_if_it_were_not_there(left: str, command: str) -> None:
    marks = left.replace("/sluice ", "").replace("sluice ", "")
    typed = f"{left}{command}{marks[::-1]}"
    assert (parse(typed).verb.name, parse(typed).words) == ("status", ("hello",))
    assert parse(plain(typed)) == parse(typed)


def test_a_marked_command_is_the_same_command_to_whoever_asks_what_it_does() -> None:
    assert may_change("*approve hello-2*")
    assert may_change("`DELETE`")
    assert plain("`DELETE`") == "DELETE"
    assert not may_change("_status_")
    assert (found := bare("`approve`")) is not None
    assert found.name == "approve"
    assert parse("*reject hello-2 “too slow”*").words == ("hello-2", "“too", "slow”")


@pytest.mark.parametrize("said", ["*Our shop*", "_", "* *", "", "``", "****", "*status", "`one` and `two`", "5 * 4"])
def test_what_is_no_command_inside_stays_as_it_was_typed(said: str) -> None:
    assert plain(said) == said


@pytest.mark.parametrize("language", ["", "yaml", "yml", "YAML", "yaml "])
def test_a_definition_in_a_fence_is_told_as_one_whatever_the_fence_says(language: str) -> None:
    for definition in ("pipeline: web", "pipeline: web\nstages:\n  - name: code\n", "\n# ours\npipeline: web"):
        typed = f"```{language}\n{definition}\n```"
        with pytest.raises(Refused, match="That looks like a definition") as refused:
            parse(typed)
        assert refused.value.hint.startswith("Say `define`")
        assert begins_with_no_command(typed)
        assert plain(typed) == typed


@pytest.mark.parametrize("language", ["yaml", "text", "sh", "console"])
def test_a_command_in_a_fence_is_one_whatever_the_fence_says(language: str) -> None:
    said = parse(f"```{language}\ndefine\npipeline: web\n```")
    assert (said.verb.name, said.text.strip()) == ("define", "pipeline: web")
    assert plain(f"```{language}\nstatus hello\n```") == "status hello"


def test_a_command_right_behind_a_fence_stays_one() -> None:
    said = parse("```define\npipeline: web```")
    assert (said.verb.name, said.text) == ("define", "pipeline: web")
    assert parse("```yaml hello-3```").words == ("hello-3",)
    assert parse("```list\n```").verb.name == "list"
    with pytest.raises(Refused, match="how yaml is said"):
        parse("```yaml\n```")


def test_markup_inside_a_line_stays() -> None:
    assert parse("reject hello-2 *too slow*").words == ("hello-2", "*too", "slow*")
    assert parse("run hello a=_b_").words == ("hello", "a=_b_")
    with pytest.raises(Refused, match="no command stauts"):
        parse("*stauts*")


@pytest.mark.parametrize("sign", ["‘a ", "“a ", "’a ", "*", "`", "_ ", "~x", "'a ", '"a '])
def test_no_line_keeps_anybody_waiting(sign: str) -> None:
    line = sign * 60_000
    begun = time.perf_counter()
    assert len(parse(f"run hello {line}").words) > 1
    for typed in (line, f"*{line}", f"*{line}*"):
        assert plain(typed) == typed
        with pytest.raises(Refused):
            parse(typed)
    assert time.perf_counter() - begun < 5


def test_no_fence_keeps_anybody_waiting() -> None:
    begun = time.perf_counter()
    for blank in ("\n", " ", " \n", "\n```yaml\n"):
        typed = f"```yaml{blank * 60_000}```"
        assert plain(typed).strip("`").strip().startswith("yaml")
    assert time.perf_counter() - begun < 5
