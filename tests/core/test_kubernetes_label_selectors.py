import pytest

from engine.errors import InvariantViolation
from engine.targets.kubernetes.label_selectors import selects

LABELS = {"app": "web", "sluice.dev/workload": "shop", "tier": ""}


@pytest.mark.parametrize(
    "selector",
    [
        "",
        "app=web",
        "app==web",
        "app = web , sluice.dev/workload=shop",
        "app!=api",
        "nothing!=api",
        "app",
        "tier=",
        "!nothing",
        "app in (api, web)",
        "app notin (api,job)",
        "nothing notin (api)",
        "sluice.dev/workload in (shop),app notin (api),!other",
    ],
)
def test_an_object_is_selected_as_the_api_does_it(selector: str) -> None:
    assert selects(selector, LABELS)


@pytest.mark.parametrize(
    "selector",
    ["app=api", "app!=web", "nothing", "!app", "nothing=", "app in (api)", "app notin (web)", "app=web,nothing"],
)
def test_an_object_is_left_out_as_the_api_does_it(selector: str) -> None:
    assert not selects(selector, LABELS)


@pytest.mark.parametrize("selector", ["app web", "app=web;b", "app in web", "=x", "app=web,,"])
def test_what_is_no_selector_is_a_mistake_of_ours(selector: str) -> None:
    with pytest.raises(InvariantViolation):
        selects(selector, LABELS)
