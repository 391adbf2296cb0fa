"""Deployments and pods as a strategy and people see them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.ports import Instance
from engine.rollout.fleet import Group, ReleaseId
from engine.targets.kubernetes import names
from engine.targets.kubernetes.report import UNKNOWN, group_of, instances_of, pods_of, split_of
from tests.support.pod_json import (
    NODE,
    NOW,
    ago,
    condition,
    container,
    crashed,
    deployment,
    ended,
    happened,
    pod,
    waiting,
)

OLD, NEW = ReleaseId("ops/shop/web@1"), ReleaseId("ops/shop/web@2")


def copy(name: str, release: str = NEW, *, ready: bool = True, **more: Any) -> dict[str, Any]:
    """A pod that runs `release`; empty: it says nothing of one."""
    notes = {"annotations": {names.RELEASE: release}} if release else {}
    metadata = {**notes, "labels": {"app": "web", **more.pop("labels", {})}, **more.pop("metadata", {})}
    return pod(name, *more.pop("statuses", ()), ready=ready, metadata=metadata, **more)


def asked(count: int = 2, release: str = NEW, **more: Any) -> dict[str, Any]:
    """A Deployment that was asked to be `count` instances of `release`."""
    notes = {"annotations": {names.COUNT: str(count), names.RELEASE: release, **more.pop("notes", {})}}
    return deployment(replicas=count, metadata={**notes, **more.pop("metadata", {})}, **more)


def seen(live: dict[str, Any], *pods: dict[str, Any], found: ReleaseId | None = None, **more: Any) -> Group:
    group = group_of("stable", live, pods, found, more.pop("events", ()), NOW, **more)
    assert group is not None
    return group


def test_a_group_of_ready_instances_is_settled() -> None:
    group = seen(asked(2), copy("web-1"), copy("web-2"))
    assert (group.release, group.count, group.ready, group.present) == (NEW, 2, {NEW: 2}, {NEW: 2})
    assert (group.is_settled(), group.trouble) == (True, "")


def test_what_was_found_is_the_release_where_nothing_says_another() -> None:
    group = seen(deployment(replicas=2), copy("web-1", ""), copy("web-2", ""), found=OLD)
    assert (group.release, group.count, group.ready) == (OLD, 2, {OLD: 2})
    assert group.is_settled()


def test_a_deployment_of_which_nothing_is_known_is_at_no_release() -> None:
    assert seen(deployment(replicas=1), copy("web-1", "")).release == UNKNOWN


def test_instances_are_counted_by_the_release_in_their_own_template() -> None:
    group = seen(asked(2), copy("web-1", OLD), copy("web-2", ""), copy("web-3"), found=OLD)
    assert (group.ready, group.present) == ({OLD: 2, NEW: 1}, {OLD: 2, NEW: 1})
    assert not group.is_settled()


def test_a_deployment_that_its_controller_has_not_seen_yet_is_not_settled() -> None:
    late = seen(asked(2, metadata={"generation": 4}), copy("web-1"), copy("web-2"))
    assert not late.is_settled()
    assert (late.ready_now(), late.ready) == (2, {UNKNOWN: 2})


def test_pods_that_the_controller_holds_for_outdated_keep_a_group_from_being_settled() -> None:
    rolling = asked(2, status={"updatedReplicas": 1})
    older = copy("web-1", metadata={"creationTimestamp": ago(900)})
    group = seen(rolling, older, copy("web-2"))
    assert (group.ready, group.is_settled()) == ({UNKNOWN: 1, NEW: 1}, False)


def test_pods_of_another_release_are_told_by_it_while_they_are_replaced() -> None:
    group = seen(asked(2, metadata={"generation": 4}), copy("web-1", OLD), copy("web-2", OLD))
    assert (group.ready, group.is_settled()) == ({OLD: 2}, False)


def test_a_status_that_lags_behind_hides_nothing_of_a_group_that_is_not_settled_yet() -> None:
    growing = seen(asked(3, status={"updatedReplicas": 1}, metadata={"generation": 9}), copy("web-1"), copy("web-2"))
    assert (growing.ready, growing.present, growing.is_settled()) == ({NEW: 2}, {NEW: 2}, False)


def test_with_replica_sets_it_is_certain_which_pods_are_outdated() -> None:
    def replica_set(digest: str, revision: str) -> dict[str, Any]:
        owner = {"uid": "uid-web", "controller": True, "kind": "Deployment", "name": "web"}
        labels, notes = {"pod-template-hash": digest}, {"deployment.kubernetes.io/revision": revision}
        return {"metadata": {"uid": digest, "labels": labels, "annotations": notes, "ownerReferences": [owner]}}

    live = asked(2, notes={"deployment.kubernetes.io/revision": "7"}, status={"updatedReplicas": 2})
    pods = [copy(f"web-{each}", labels={"pod-template-hash": each}) for each in ("aa", "bb")]
    group = seen(live, *pods, replica_sets=[replica_set("aa", "6"), replica_set("bb", "7")])
    assert (group.ready, group.is_settled()) == ({UNKNOWN: 1, NEW: 1}, False)
    assert seen(live, *pods).is_settled()


def test_instances_that_are_being_ended_drain_and_are_not_present() -> None:
    group = seen(asked(1), copy("web-1"), copy("web-2", metadata={"deletionTimestamp": ago(-20)}))
    assert (group.present, group.draining, group.is_settled()) == ({NEW: 1}, 1, False)


def test_what_is_over_or_should_be_counts_for_nothing() -> None:
    stuck = copy("web-2", metadata={"deletionTimestamp": ago(60)})
    evicted = copy("web-3", ready=False, status={"phase": "Failed", "reason": "Evicted"})
    done = copy("web-4", ready=False, status={"phase": "Succeeded"})
    group = seen(asked(1), copy("web-1"), stuck, evicted, done)
    assert (group.present, group.draining, group.is_settled()) == ({NEW: 1}, 0, True)


def test_a_node_may_tell_a_little_late_that_a_pod_has_ended() -> None:
    assert seen(asked(1), copy("web-1"), copy("web-2", metadata={"deletionTimestamp": ago(5)})).draining == 1


def test_a_retired_deployment_without_pods_is_no_group() -> None:
    evicted = copy("web-3", ready=False, status={"phase": "Failed", "reason": "Evicted"})
    assert group_of("stable", asked(0), (), OLD, (), NOW) is None
    assert group_of("stable", asked(0), (evicted,), OLD, (), NOW) is None
    leaving = copy("web-1", metadata={"deletionTimestamp": ago(-20)})
    assert seen(asked(0), leaving).draining == 1


def test_a_deployment_of_others_that_stands_empty_is_no_group_once_its_pods_are_gone() -> None:
    assert group_of("stable", deployment(replicas=0), (), OLD, (), NOW) is None
    leaving = copy("web-1", metadata={"deletionTimestamp": ago(-20)})
    assert seen(deployment(replicas=0), leaving, found=OLD).draining == 1


def test_the_count_is_what_was_asked_for_whatever_others_made_of_it() -> None:
    live = asked(3)
    live["spec"]["replicas"] = 7
    assert seen(live).count == 3
    live["metadata"]["annotations"][names.COUNT] = "many"
    assert seen(live).count == 7


def test_since_when_nothing_leads_to_a_group_is_read_from_the_deployment() -> None:
    since = NOW - timedelta(seconds=30)
    assert seen(asked(1, notes={names.UNROUTED: since.isoformat()})).unrouted_since == since
    assert seen(asked(1, notes={names.UNROUTED: "soon"})).unrouted_since is None
    assert seen(asked(1)).unrouted_since is None


def test_a_new_copy_in_trouble_is_told_of_while_all_the_old_ones_serve() -> None:
    live = asked(2, status={"updatedReplicas": 1})
    crash = copy("web-3", ready=False, statuses=(crashed(ended(2)),))
    group = seen(live, copy("web-1", OLD), copy("web-2", OLD), crash)
    assert (group.ready_now(), group.trouble) == (2, "web-3 ends with exit code 2, restarted 5 times")


def test_the_trouble_of_most_pods_is_told_with_one_of_them() -> None:
    pulls = [copy(f"web-{each}", ready=False, statuses=(waiting("ErrImagePull", "x: not found"),)) for each in range(3)]
    crash = copy("web-9", ready=False, statuses=(crashed(ended(2)),))
    said = seen(asked(4), *pulls, crash).trouble
    assert said == (
        "web-0 cannot pull image org/web:v2: there is no such image or tag in the registry (and 3 more in trouble)"
    )


def test_what_keeps_pods_from_being_made_comes_first() -> None:
    failure = condition("ReplicaFailure", on=True, message='pods "x" is forbidden: failed quota: q: must specify cpu')
    live = asked(2, status={"updatedReplicas": 1, "conditions": [failure]})
    crash = copy("web-1", ready=False, statuses=(crashed(ended(2)),))
    assert seen(live, crash).trouble == "web gets no new instances: quota q wants cpu"


def test_that_it_took_too_long_is_said_only_when_nothing_else_is_known() -> None:
    late = condition("Progressing", on=False, reason="ProgressDeadlineExceeded")
    live = asked(1, status={"conditions": [late]}, spec={"progressDeadlineSeconds": 60})
    quiet = copy("web-1", ready=False, since=3)
    assert seen(live, quiet).trouble == "web has got no further for 60 s"
    crash = copy("web-1", ready=False, statuses=(crashed(ended(2)),))
    assert seen(live, crash).trouble == "web-1 ends with exit code 2, restarted 5 times"


def test_a_pod_that_ended_is_told_of_when_no_other_is_in_trouble() -> None:
    evicted = copy("web-1", ready=False, status={"phase": "Failed", "reason": "Evicted", "message": "no memory"})
    assert seen(asked(1, status={"updatedReplicas": 0}), evicted).trouble == "web-1 was evicted from node-1: no memory"


def test_a_group_that_is_whole_is_in_no_trouble_whatever_lies_about() -> None:
    evicted = copy("web-3", ready=False, status={"phase": "Failed", "reason": "Evicted"})
    assert seen(asked(1), copy("web-1"), evicted).trouble == ""


def test_events_reach_the_pod_that_they_are_about() -> None:
    probe = happened("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 500", about="web-2")
    group = seen(asked(2), copy("web-1"), copy("web-2", ready=False), events=[probe])
    assert group.trouble == "web-2 does not pass its readiness probe: answers 500"


def listed(*pods: dict[str, Any], groups: dict[str, str] | None = None) -> tuple[Instance, ...]:
    known = groups or {each["metadata"]["name"]: "stable" for each in pods}
    return instances_of(pods, known, OLD, (), NOW)


def test_an_instance_shows_what_people_ask_about() -> None:
    resources = {"requests": {"cpu": "250m", "memory": "64Mi"}}
    proxy = container("proxy", ports=[], resources={"requests": {"cpu": "0.25", "memory": "64Mi"}})
    beside = {"name": "log", "restartPolicy": "Always", "resources": {"requests": {"cpu": 1}}}
    once = {"name": "migrate", "resources": {"requests": {"cpu": 8}}}
    statuses = [{**waiting(""), "ready": True}]
    one = copy(
        "web-1",
        statuses=statuses,
        containers=[container(resources=resources), proxy],
        spec={"initContainers": [beside, once]},
        since=90,
    )
    assert listed(one) == (
        Instance(
            name="web-1",
            group="stable",
            release=NEW,
            status="ready",
            event="serves",
            node=NODE,
            address="10.1.2.3:8080",
            started_at=NOW - timedelta(seconds=90),
            cpu="1500m",
            memory="128Mi",
        ),
    )


def test_what_is_not_known_of_an_instance_is_left_empty() -> None:
    bare = copy("web-1", "", ready=False, containers=[{"name": "web"}], status={"podIP": None})
    del bare["spec"]["nodeName"]
    (one,) = listed(bare)
    assert (one.release, one.node, one.address, one.cpu, one.memory) == (OLD, "", "", "", "")


def test_an_address_of_the_newer_kind_is_written_with_brackets() -> None:
    assert listed(copy("web-1", status={"podIP": "fd00::1"}))[0].address == "[fd00::1]:8080"


def test_instances_come_by_group_and_name_and_only_those_of_a_group() -> None:
    pods = [copy("web-2"), copy("web-1"), copy("gray-1"), copy("other")]
    groups = {"web-1": "stable", "web-2": "stable", "gray-1": "gray"}
    assert [each.name for each in listed(*pods, groups=groups)] == ["gray-1", "web-1", "web-2"]


def test_the_pods_own_figure_goes_before_those_of_its_containers() -> None:
    whole = copy("web-1", spec={"resources": {"requests": {"cpu": "2", "memory": "1Gi"}}})
    assert (listed(whole)[0].cpu, listed(whole)[0].memory) == ("2", "1Gi")


def owned(name: str, owner: str, digest: str = "aa", **labels: str) -> dict[str, Any]:
    by = {"uid": f"rs-{owner}", "name": f"{owner}-{digest}", "kind": "ReplicaSet", "controller": True}
    return copy(name, labels={"pod-template-hash": digest, **labels}, metadata={"ownerReferences": [by]})


def test_pods_belong_to_a_deployment_through_its_replica_sets() -> None:
    def replica_set(name: str, of: str) -> dict[str, Any]:
        return {"metadata": {"uid": f"rs-{name}", "ownerReferences": [{"uid": of, "controller": True}]}}

    mine, others = owned("web-1", "web"), owned("web-2", "web-gray")
    sets = [replica_set("web", "uid-web"), replica_set("web-gray", "uid-gray")]
    assert pods_of(deployment(), [mine, others], sets) == (mine,)
    fresh = owned("web-3", "web", digest="bb")
    fresh["metadata"]["ownerReferences"][0]["uid"] = "rs-not-seen-yet"
    assert pods_of(deployment(), [mine, others, fresh], sets) == (mine, fresh)


def test_without_replica_sets_pods_are_known_by_selector_group_and_owner() -> None:
    mine = owned("web-1", "web")
    gray = owned("web-2", "web-gray", **{names.GROUP: "gray"})
    beside = owned("web-3", "web-extra")
    plain, stranger = copy("web-4"), copy("db-1", labels={"app": "db"})
    assert pods_of(deployment(), [mine, gray, beside, plain, stranger]) == (mine, plain)


def test_a_group_of_our_own_has_the_pods_that_carry_its_label() -> None:
    labels = {names.WORKLOAD: "web", names.GROUP: "gray"}
    live = deployment("web-gray")
    live["spec"] |= {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}
    gray = owned("web-2", "web-gray", **labels)
    assert pods_of(live, [owned("web-1", "web"), gray]) == (gray,)


def test_expressions_of_a_selector_count() -> None:
    live = deployment()
    live["spec"]["selector"] = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "shop"]}]}
    assert len(pods_of(live, [copy("web-1"), copy("db-1", labels={"app": "db"})])) == 1


def sized(name: str, ready: int) -> Group:
    return Group(name, NEW, ready, ready={NEW: ready})


@pytest.mark.parametrize(
    ("ready", "said"),
    [
        ({"stable": 4, "gray": 1}, "4 stable, 1 gray (20 %)"),
        ({"gray": 1, "stable": 2}, "2 stable, 1 gray (33 %)"),
        ({"stable": 299, "gray": 1}, "299 stable, 1 gray (0.3 %)"),
        ({"stable": 2, "gray": 0}, "2 stable, 0 gray (0 %)"),
        ({"stable": 3}, "3 stable"),
        ({"green": 3, "blue": 3}, "3 blue, 3 green"),
        ({"stable": 0, "gray": 0}, "0 stable, 0 gray"),
        ({}, ""),
    ],
)
def test_the_split_is_that_of_the_instances_that_are_ready(ready: dict[str, int], said: str) -> None:
    groups = {name: replace(sized(name, count), present={NEW: 9}) for name, count in ready.items()}
    assert split_of(groups) == said


def test_three_hundred_pods_in_trouble_are_seen_at_once() -> None:
    pods = [copy(f"web-{each}", ready=False, statuses=(crashed(ended(2)),)) for each in range(300)]
    events = [happened("BackOff", "x", about=f"web-{each}") for each in range(300) for _ in range(5)]
    group = seen(asked(300), *pods, events=events)
    assert (sum(group.present.values()), group.trouble.endswith("(and 299 more in trouble)")) == (300, True)
    assert len(listed(*pods)) == 300
