"""What a version is stays with it when it is brought back; how it gets its traffic is what people agree on today."""

from dataclasses import replace
from typing import Any

import pytest

from engine.definition import Deployment, Gray
from engine.errors import Refused
from engine.orders import redeployed_settings, spec_of
from tests.support.store import a_release

SERVICE = {"port": 18080}
THEN: dict[str, Any] = {
    "service": SERVICE,
    "environment": {"GREETING": "hello"},
    "drain": "9s",
    "instances": 4,
    "strategy": "istio",
    "image": "shop/api:v1",
    "gray_instances": 3,
    "policy": {"ratio": 50},
}


def released(**settings: Any) -> Any:
    return replace(a_release(), settings={**THEN, **settings})


def gray(**settings: Any) -> Gray:
    return Gray.model_validate({"service": SERVICE, "image": "shop/api:v9", **settings})


def test_a_version_keeps_what_it_is_and_gets_its_traffic_as_it_is_agreed_today() -> None:
    now = gray(strategy="canary", instances=6, policy={"ratio": 10}, drain="1s", environment={"GREETING": "bye"})
    settings = redeployed_settings(released(), now)
    assert (settings["environment"], settings["drain"]) == ({"GREETING": "hello"}, "9s")
    assert (settings["strategy"], settings["instances"], settings["policy"]["ratio"]) == ("canary", 6, 10)
    assert settings["gray_instances"] == 1
    assert settings["image"] == "shop/api:v1"


def test_a_strategy_that_is_left_to_the_place_is_the_one_it_had() -> None:
    assert redeployed_settings(released(), gray(instances=5))["strategy"] == "istio"


def test_what_has_no_gray_stage_today_is_brought_back_without_one() -> None:
    settings = redeployed_settings(released(), Deployment.model_validate({"service": SERVICE}))
    assert "gray_instances" not in settings
    assert not isinstance(spec_of(replace(a_release(), settings=settings)), Gray)


def test_what_does_not_go_together_is_refused_in_words() -> None:
    alone = gray(strategy="istio", instances=1)
    with pytest.raises(Refused, match=r"shop/api:v1 does not go with the definition of today: .*canary"):
        redeployed_settings(released(strategy="canary"), alone.model_copy(update={"strategy": "canary"}))
