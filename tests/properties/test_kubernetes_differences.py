"""Whatever somebody does to an object: what is named leads back to it, and adopting it leaves nothing to name."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.targets.kubernetes.comparing import altered, lost
from engine.targets.kubernetes.differences import changed, drifted, present
from engine.targets.kubernetes.lines import last_line, one_line
from engine.targets.kubernetes.paths import at, read, written
from engine.targets.kubernetes.sight import state_of
from tests.support.pod_json import NOW, container, crashed, ended, happened, pod

NAMES = st.sampled_from(["a", "b", 'q"uo]te', "example.com/x", "a.b", "a.b.c"])
SCALARS = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "0.5", "500m", "x", "y"])


def keyed(key: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    item = st.fixed_dictionaries({key: NAMES}, optional=fields)
    return st.lists(item, max_size=3, unique_by=lambda each: str(each[key]))


ATOMIC = st.lists(SCALARS, max_size=2) | st.lists(st.dictionaries(NAMES, SCALARS, max_size=2), max_size=2)
LABELS = st.dictionaries(NAMES, SCALARS, max_size=3)
CONTAINERS = keyed(
    "name",
    image=SCALARS,
    env=keyed("name", value=SCALARS),
    args=ATOMIC,
    resources=st.fixed_dictionaries({"limits": LABELS}),
)
SPEC = st.fixed_dictionaries(
    {},
    optional={
        "replicas": SCALARS,
        "selector": LABELS,
        "tolerations": ATOMIC,
        "template": st.fixed_dictionaries({"spec": st.fixed_dictionaries({}, optional={"containers": CONTAINERS})}),
    },
)
OBJECTS = st.fixed_dictionaries(
    {"kind": st.just("Deployment"), "spec": SPEC},
    optional={"metadata": st.fixed_dictionaries({"name": st.just("web")}, optional={"labels": LABELS})},
).map(lambda made: {"metadata": {"name": "web"}, **made})


@given(OBJECTS, OBJECTS)
def test_a_difference_can_be_found_again_by_its_written_path(applied: dict[str, Any], live: dict[str, Any]) -> None:
    for each in altered(applied, live):
        path = read(written(each.path), applied, live)
        assert path is not None
        assert (at(applied, path), at(live, path)) == (each.one, each.other)


@given(OBJECTS, OBJECTS)
def test_adopting_every_drift_leaves_none(applied: dict[str, Any], live: dict[str, Any]) -> None:
    adopted = present(applied, live, drifted(applied, live, "sluice"))
    assert list(lost(adopted["spec"], live["spec"])) == []


@given(OBJECTS)
def test_an_object_does_not_differ_from_itself(thing: dict[str, Any]) -> None:
    assert drifted(thing, thing, "sluice") == ()
    assert changed(thing, thing, "it") == ()


@given(st.text(max_size=2000))
def test_any_text_becomes_one_short_printable_line(text: str) -> None:
    for line in (one_line(text), last_line(text), one_line(text, 10)):
        assert line.isprintable()
        assert len(line) <= 160


POD = pod(
    "web-1",
    crashed(ended(3, message="x")),
    containers=[container(readinessProbe={"httpGet": {"path": "/", "port": 80}})],
    inits=[crashed(ended(5), name="migrate")],
    spec={"initContainers": [{"name": "migrate"}], "readinessGates": [{"conditionType": "a/b"}]},
)
EVENT = happened("FailedMount", 'MountVolume.SetUp failed for volume "d" : x')


def without(thing: Any, left_out: st.DataObject) -> Any:
    """`thing` with any of its parts left out, as older and other API servers do; names stay."""
    if isinstance(thing, dict):
        kept = ("name", "metadata", "spec", "conditionType")
        return {
            key: without(value, left_out)
            for key, value in thing.items()
            if key in kept or left_out.draw(st.integers(0, 4)) > 0
        }
    return [without(each, left_out) for each in thing] if isinstance(thing, list) else thing


@given(st.data())
def test_a_pod_of_which_anything_is_missing_is_still_seen(data: st.DataObject) -> None:
    seen = state_of(without(POD, data), [without(EVENT, data)], NOW)
    assert seen.status in ("starting", "ready", "unready", "draining", "ended")
    assert seen.event.isprintable()
