"""Whatever people write: complaints or a pipeline, never a crash; and what is substituted comes out as it should."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engine.definition import ContentRule, Gray, Pipeline, Policy, Service, Source, Stage, Start
from engine.pipeline import Complaint, Complaints, check, parse, resolve
from engine.variables import escape, names_in, substitute

TEXT = (Path(__file__).parents[2] / "deploy" / "pipeline.reference.yaml").read_text(encoding="utf-8")
LINES = TEXT.splitlines(keepends=True)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True)
ODD = st.sampled_from(
    [*"[]{}:&*!|>'\"%@`#,?-~<\n\t \x00é\ud800", "${", "}", "$$", ": ", "- ", "...", "---\n", "&a ", "*a", "null"]
)
YAMLISH = st.lists(st.one_of(ODD, st.sampled_from(LINES), st.text(max_size=5)), max_size=30).map("".join)
SECTIONS = (Pipeline, Stage, Source, Gray, Service, Policy, ContentRule, Start)
WORDS = sorted({name for model in SECTIONS for name in model.key_names()})
TREES = st.recursive(
    st.none() | st.sampled_from(["", "5", "x", "360", "${x}", "${tag}", "1h", "canary", "20%"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(WORDS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)


def holds_only_complaints(text: str) -> None:
    found = check(text, people=("ann",))
    assert all(isinstance(one, Complaint) and one.line >= 1 and one.problem and one.instead for one in found)
    assert [one.line for one in found] == sorted(one.line for one in found)
    if not check(text):
        assert parse(text).text == text


def as_flow(tree: object) -> str:
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{key}: {as_flow(item)}" for key, item in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(as_flow, tree)) + "]"
    return "null" if tree is None else f"'{tree}'"


@given(st.text(st.characters(), max_size=200))
def test_any_text_gets_an_answer(text: str) -> None:
    holds_only_complaints(text)


@given(YAMLISH)
def test_any_text_that_resembles_yaml_gets_an_answer(text: str) -> None:
    holds_only_complaints(text)


@given(TREES, TREES)
def test_any_tree_of_known_words_gets_an_answer(tree: object, stages: object) -> None:
    holds_only_complaints(as_flow(tree))
    holds_only_complaints(f"pipeline: p\nstages: [{as_flow(stages)}]\n")


@given(st.data())
def test_the_reference_with_a_piece_changed_gets_an_answer(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(TEXT)))
    end = data.draw(st.integers(start, min(len(TEXT), start + 60)))
    holds_only_complaints(TEXT[:start] + data.draw(st.one_of(ODD, st.text(max_size=10))) + TEXT[end:])


@given(st.dictionaries(st.sampled_from(["tag", "replicas"]), st.text(max_size=8)))
def test_any_values_give_a_pipeline_or_complaints(values: dict[str, str]) -> None:
    complaints: tuple[Complaint, ...] = ()
    pipeline = None
    try:
        pipeline = resolve(TEXT, values)
    except Complaints as refused:
        complaints = refused.complaints
    assert bool(pipeline) != bool(complaints)


@given(st.text(), st.dictionaries(NAMES, st.text()))
def test_escaped_text_comes_back_whatever_the_values(text: str, values: dict[str, str]) -> None:
    assert substitute(escape(text), values) == text
    assert names_in(escape(text)) == ()


@given(NAMES, st.text(), st.text().filter(lambda text: not text.endswith("$")), st.text())
def test_a_value_is_put_in_as_it_is(name: str, value: str, before: str, after: str) -> None:
    assert substitute(f"{escape(before)}${{{name}}}{escape(after)}", {name: value}) == before + value + after
    assert substitute(f"$${{{name}}}", {name: value}) == f"${{{name}}}"
