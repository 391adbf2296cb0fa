"""The templates that ship, and what is asked about them."""

import pytest

from bot.creating.filling import Known, Sheet, checked
from bot.creating.questions import NOBODY, questions_of
from bot.creating.shelf import GROUP, SERVICE, Template, generalized, shipped
from engine.errors import Refused
from engine.model import PersonId
from engine.pipeline import check, parse

ANN = PersonId("ann")
CODE = "https://git.example.org/shop/api.git"
KNOWN = Known(ANN, {"ann", "bob"}, {"east"}, {"default", "shop"}, {"shop", "secret"}, {"taken", "part-test"})


def sheet_of(template: Template) -> Sheet:
    return Sheet(template.documents, questions_of(template.documents))


def answered(sheet: Sheet, **said: str) -> Sheet:
    """Every question answered: with what is said, or else with its default."""
    given = {"name": "api", "repository": CODE, **said}
    for question in sheet.questions:
        value = given.get(question.key) or sheet.default_of(question, ANN)
        sheet = sheet.answered(question.key, checked(sheet, question, value, KNOWN))
    return sheet


@pytest.mark.parametrize("template", shipped(), ids=lambda one: one.name)
def test_a_template_that_ships_is_made_of_definitions_with_comments(template: Template) -> None:
    assert template.about
    for text in template.documents:
        assert check(text) == ()
        assert text.startswith("#")
        assert parse(text).pipeline.group == GROUP


@pytest.mark.parametrize("template", shipped(), ids=lambda one: one.name)
@pytest.mark.parametrize("reviewers", ["", "ann, bob", NOBODY])
def test_with_its_defaults_a_template_becomes_definitions_without_mistakes(template: Template, reviewers: str) -> None:
    texts = answered(sheet_of(template), reviewers=reviewers, group="shop").filled()
    for text in texts:
        assert KNOWN.complaints(text) == ()
        assert SERVICE not in text
        assert GROUP not in text
        assert parse(text).pipeline.group == "shop"
    asked = [stage for text in texts for stage in parse(text).pipeline.stages if stage.review is not None]
    has_review = any(question.key == "reviewers" for question in sheet_of(template).questions)
    assert bool(asked) == (has_review and reviewers != NOBODY)


def test_only_what_a_template_has_a_place_for_is_asked() -> None:
    keys = {one.name: [question.key for question in sheet_of(one).questions] for one in shipped()}
    assert keys["build"] == ["name", "group", "repository", "branch"]
    assert "repository" not in keys["gray-image"]
    assert [key for key in keys["environments"] if key.startswith("port")] == ["port:1", "port:2", "port:3"]


def test_several_environments_tell_each_other_by_channels_of_their_own() -> None:
    template = next(one for one in shipped() if one.name == "environments")
    test, staging, production = (parse(text).pipeline for text in answered(sheet_of(template)).filled())
    assert [test.pipeline, staging.pipeline, production.pipeline] == ["api-test", "api-staging", "api-production"]
    assert test.stages[-1].tell[0].channel == staging.starts[0].channel
    assert staging.stages[-1].tell[0].channel == production.starts[0].channel
    assert len({one.workload for one in (test, staging, production)}) == 3


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"name": "Not good"}, "is not a name"),
        ({"name": "taken"}, "The name taken is taken."),
        ({"group": "secret"}, "You may not make a pipeline in secret."),
        ({"repository": "file:///etc"}, "file:///etc"),
        ({"repository": "ext::sh -c id"}, "ext::"),
        ({"port": "0"}, "0 is too few"),
        ({"instances": "many"}, "'many' is not a whole number"),
        ({"strategy": "slowly"}, "is none of these"),
        ({"reviewers": "mallory"}, "mallory"),
    ],
)
def test_an_answer_that_will_not_do_is_refused_with_the_reason(said: dict[str, str], complaint: str) -> None:
    template = next(one for one in shipped() if one.name == "build-and-gray")
    with pytest.raises(Refused) as refused:
        answered(sheet_of(template), **said)
    assert complaint in str(refused.value)
    assert refused.value.hint


def test_a_name_that_would_be_taken_by_one_of_several_pipelines_is_refused() -> None:
    template = next(one for one in shipped() if one.name == "environments")
    with pytest.raises(Refused, match="part-test is taken"):
        answered(sheet_of(template), name="part")


def test_in_a_cluster_the_place_is_asked_and_written() -> None:
    template = next(one for one in shipped() if one.name == "gray-image")
    sheet = Sheet(template.documents, questions_of(template.documents, clusters=("east",)))
    [text] = answered(sheet, where="east").filled()
    gray = parse(text).pipeline.stages[0].gray
    assert gray is not None
    assert (gray.target, gray.cluster) == ("kubernetes", "east")
    assert check(text, clusters={"east"}) == ()


def test_a_pipeline_that_is_kept_as_a_template_is_called_after_nobody() -> None:
    [text] = answered(sheet_of(shipped()[1]), group="shop").filled()
    template = generalized(text)
    assert template.replace(SERVICE, "api").replace(GROUP, "shop").replace('"', "") == text, "comments are kept"
    assert "pipeline: my-service\ngroup: my-group\n" in template
    assert "my-group/my-service:${SYS_INCREMENT}" in template
