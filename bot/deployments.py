"""How a workload is released, as lines on cards: where, with which strategy, who gets gray, how many serve. Pure."""

from collections.abc import Iterator

from bot.cards import Field
from engine.definition import Deployment, Gray
from engine.deployed import surviving
from engine.rollout.traffic import describe_rules


def deployment_fields(workload: str, spec: Deployment) -> Iterator[Field]:
    """Tell what a definition says of its deployment."""
    named = f", container {spec.container}" if spec.container else ""
    how = f"{_strategy(spec)}, {spec.instances} instances, port {spec.service.port}{named}"
    yield Field("Releases", f"{workload} on {spec.target}, {how}")
    yield from meanwhile(spec)
    if isinstance(spec, Gray):
        about = f" ({spec.policy.description})" if spec.policy.description else ""
        yield Field("Gray gets", (describe_rules(spec.policy) or _share(spec)) + about)


def meanwhile(spec: Deployment) -> tuple[Field, ...]:
    """Tell how many instances serve during a release."""
    said = surviving(spec)
    return (Field("During a release", said),) if said else ()


def _strategy(spec: Deployment) -> str:
    return "istio where the cluster has it, else canary" if _is_open(spec) else spec.strategy


def _share(spec: Gray) -> str:
    """Who gets gray when no rule says it."""
    if spec.strategy == "blue_green":
        port = spec.service.preview_port
        return f"nobody before the promotion{f'; port {port} leads to it' if port else ''}"
    return "its instances' part of the plain requests" if _is_open(spec) else f"{spec.share} % of the plain requests"


def _is_open(spec: Deployment) -> bool:
    """Whether the strategy depends on what the cluster has."""
    return spec.target == "kubernetes" and "strategy" not in spec.model_fields_set
