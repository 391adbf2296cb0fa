"""Why a pod is not ready, in words: from what real schedulers, kubelets and controllers write."""

from typing import Any

import pytest

from engine.targets.kubernetes.sight import is_ready, state_of
from tests.support.pod_json import (
    NOW,
    ago,
    condition,
    container,
    crashed,
    ended,
    happened,
    pod,
    running,
    unscheduled,
    waiting,
)


def trouble(thing: dict[str, Any], *events: dict[str, Any]) -> str:
    return state_of(thing, events, NOW).trouble


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            (
                "0/5 nodes are available: 2 Insufficient cpu, 1 Insufficient memory, 1 node(s) had untolerated taint "
                "{disk: full}, 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/5 nodes are "
                "available: 5 No preemption victims found for incoming pod."
            ),
            (
                "does not fit on any of 5 nodes: not enough cpu on 2 (it asks for 64); not enough memory on 1; a taint "
                "that it does not tolerate (disk: full) on 1; not what its node selector asks for on 1"
            ),
        ),
        (
            (
                "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are "
                "available: 1 Preemption is not helpful for scheduling."
            ),
            "does not fit on the only node: not enough cpu (it asks for 64)",
        ),
        (
            "0/3 nodes are available: 1 node(s) were unschedulable, 2 Too many pods.",
            "does not fit on any of 3 nodes: closed for new pods (cordoned) on 1; no room for more pods on 2",
        ),
        (
            "0/3 nodes are available: 3 node(s) had taint {team: a, b}, that the pod didn't tolerate.",
            "does not fit on any of 3 nodes: a taint that it does not tolerate (team: a, b) on 3",
        ),
        (
            "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found",
            "fits on no node: its volume claim data is not bound",
        ),
        (
            '0/1 nodes are available: persistentvolumeclaim "data" not found. not found',
            "fits on no node: its volume claim data does not exist",
        ),
        (
            "0/2 nodes are available: 2 node(s) had volume node affinity conflict.",
            "does not fit on any of 2 nodes: its volume is elsewhere on 2",
        ),
        ("no nodes available to schedule pods", "the cluster has no nodes"),
        ("something of tomorrow", "fits on no node: something of tomorrow"),
    ],
)
def test_a_pod_without_a_node_is_told_what_spoke_against_each(message: str, words: str) -> None:
    claim = {"name": "d", "persistentVolumeClaim": {"claimName": "data"}}
    wants = container(resources={"requests": {"cpu": "64"}})
    assert trouble(unscheduled(message, containers=[wants], volumes=[claim])) == words


def test_a_pod_that_no_scheduler_has_looked_at_says_so_after_half_a_minute() -> None:
    lonely = pod(status={"phase": "Pending", "conditions": []}, since=40)
    del lonely["spec"]["nodeName"]
    assert trouble(lonely) == "no scheduler has looked for a node for it in 40 s"
    young = {**lonely, "metadata": {**lonely["metadata"], "creationTimestamp": ago(3)}}
    assert (state_of(young, (), NOW).status, state_of(young, (), NOW).event) == ("starting", "waits for a node")


def test_gates_that_others_keep_closed_are_named() -> None:
    held = unscheduled(
        "Scheduling is blocked due to non-empty scheduling gates",
        reason="SchedulingGated",
        schedulingGates=[{"name": "example.com/wait"}],
    )
    assert trouble(held) == "is held back by its scheduling gate example.com/wait"
    gated = pod("web-1", running(), spec={"readinessGates": [{"conditionType": "example.com/lb"}]})
    gated["status"]["conditions"][1]["status"] = "True"
    assert trouble(gated) == "waits for its readiness gate example.com/lb"


CREATING = waiting("ContainerCreating")


@pytest.mark.parametrize(
    ("reason", "message", "words"),
    [
        (
            "FailedMount",
            'MountVolume.SetUp failed for volume "files" : configmap "files-v2" not found',
            "cannot mount its volume files: ConfigMap files-v2 is missing",
        ),
        (
            "FailedMount",
            'MountVolume.SetUp failed for volume "d" : hostPath type check failed: /data is not a directory',
            "cannot mount its volume d: hostPath type check failed: /data is not a directory",
        ),
        (
            "FailedMount",
            (
                "Unable to attach or mount volumes: unmounted volumes=[d], unattached volumes=[], failed to process "
                "volumes=[]: timed out waiting for the condition"
            ),
            "cannot mount its volume d: timed out waiting for the condition",
        ),
        (
            "FailedAttachVolume",
            'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) web-0',
            "cannot mount its volume pvc-1: Volume is already used by pod(s) web-0",
        ),
        (
            "FailedCreatePodSandBox",
            (
                "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "
                f'"{"ab" * 32}": plugin type="bridge" failed (add): no IP addresses available in range set'
            ),
            "cannot get a network on node-1: no IP addresses available in range set",
        ),
        (
            "FailedCreatePodSandBox",
            (
                "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox runtime: no "
                'runtime for "ghost" is configured'
            ),
            'cannot get a sandbox on node-1: failed to get sandbox runtime: no runtime for "ghost" is configured',
        ),
    ],
)
def test_what_keeps_containers_from_being_made_is_told(reason: str, message: str, words: str) -> None:
    assert trouble(pod("web-1", CREATING), happened(reason, message)) == words


def test_a_volume_that_was_mounted_in_the_end_is_no_longer_of_interest() -> None:
    late = happened("FailedMount", 'MountVolume.SetUp failed for volume "d" : x', seconds=20)
    assert trouble(pod("web-1", CREATING), late, happened("Pulling", 'Pulling image "org/web:v2"', seconds=5)) == ""


def test_a_pull_that_takes_long_is_told_with_its_time() -> None:
    def seen(seconds: float) -> tuple[str, str]:
        pulling = happened("Pulling", 'Pulling image "org/web:v2"', part="web", seconds=seconds)
        said = state_of(pod("web-1", CREATING), [pulling], NOW)
        return said.status, said.event

    assert seen(5) == ("starting", "pulls image org/web:v2")
    assert seen(150) == ("unready", "has been pulling image org/web:v2 for 2 min")


def test_a_node_that_says_nothing_is_told_after_half_a_minute() -> None:
    assert trouble(pod("web-1", CREATING, since=90)) == "is being made on node-1 for 90 s, and nothing is said about it"
    assert state_of(pod("web-1", CREATING, since=3), (), NOW).event == "is being made on node-1"


INIT = {"name": "migrate", "image": "org/migrate:v2"}


def with_init(status: dict[str, Any]) -> dict[str, Any]:
    return pod("web-1", waiting("PodInitializing"), inits=[status], spec={"initContainers": [INIT]})


def test_an_init_container_that_fails_is_the_cause() -> None:
    failing = crashed(ended(5, message="relation users does not exist\n"), name="migrate")
    assert (
        trouble(with_init(failing))
        == "init container migrate: ends with exit code 5, restarted 5 times: relation users does not exist"
    )
    missing = waiting("ImagePullBackOff", "org/migrate:v2: not found", name="migrate")
    assert trouble(with_init(missing)).startswith(
        "init container migrate: cannot pull image org/migrate:v2: there is no"
    )


def test_an_init_container_that_takes_long_is_told_with_its_time() -> None:
    long = running("migrate", ready=False, since=300)
    assert (
        trouble(with_init(long))
        == "init container migrate: has been running for 5 min, and the others wait for it to end"
    )
    short = state_of(with_init(running("migrate", ready=False, since=3)), (), NOW)
    assert (short.status, short.event) == ("starting", "runs init container migrate")


def test_an_init_container_that_has_done_its_work_is_passed_over() -> None:
    done = {**running("migrate"), "state": ended(0, "Completed")}
    broken = pod("web-1", crashed(ended(2)), inits=[done], spec={"initContainers": [INIT]})
    assert trouble(broken) == "ends with exit code 2, restarted 5 times"


def test_of_several_containers_the_one_in_trouble_is_named() -> None:
    two = pod("web-1", running(), crashed(ended(9), name="proxy"), containers=[container(), container("proxy")])
    assert trouble(two) == "container proxy: ends with exit code 9, restarted 5 times"


def test_a_proxy_among_the_init_containers_is_a_container_like_others() -> None:
    proxy = {"name": "proxy", "image": "org/proxy:v1", "restartPolicy": "Always"}
    beside = pod(
        "web-1", waiting("PodInitializing"), inits=[crashed(ended(9), name="proxy")], spec={"initContainers": [proxy]}
    )
    assert trouble(beside) == "container proxy: ends with exit code 9, restarted 5 times"


def test_a_pod_on_a_node_that_does_not_answer_says_so() -> None:
    silent = pod("web-1", running(), since=30)
    assert (
        trouble(silent, happened("NodeNotReady", "Node is not ready", seconds=30))
        == "is on node-1, which does not answer"
    )
    old = pod("web-1", running(ready=False), status={"reason": "NodeLost", "phase": "Unknown"})
    assert trouble(old) == "is on node-1, which does not answer"


def test_an_evicted_pod_has_ended_and_says_why() -> None:
    message = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi."
    seen = state_of(pod(status={"phase": "Failed", "reason": "Evicted", "message": message}), (), NOW)
    assert seen.status == "ended"
    assert seen.event == f"was evicted from node-1: {message.rstrip('.')}"


def test_pods_that_ended_otherwise_say_what_is_known() -> None:
    rejected = {
        "phase": "Failed",
        "reason": "OutOfcpu",
        "message": "Pod was rejected: Node didn't have enough resource: cpu",
    }
    assert trouble(pod(status=rejected)).startswith("failed: OutOfcpu: Pod was rejected")
    assert state_of(pod(status={"phase": "Succeeded"}), (), NOW).event == "ended by itself"


def test_a_pod_that_serves_says_what_it_has_behind_it() -> None:
    assert state_of(pod(ready=True), (), NOW).event == "serves"
    back = running(since=100, restartCount=2, lastState=ended(137, "OOMKilled", since=110))
    said = state_of(pod("web-1", back, ready=True), (), NOW)
    assert said.event.startswith("serves; 110 s ago: ran out of memory")
    assert (said.status, said.trouble) == ("ready", "")


def test_a_pod_that_is_being_ended_drains_until_its_time_is_up() -> None:
    leaving = pod(ready=True, metadata={"deletionTimestamp": ago(-20)})
    seen = state_of(leaving, (), NOW)
    assert (seen.status, seen.event) == ("draining", "is being ended, until 12:00:20 UTC at the latest")
    assert not is_ready(leaving)
    pushed = condition("DisruptionTarget", on=True, reason="EvictionByEvictionAPI", message="Eviction API: evicting")
    assert state_of(pod(conditions=[pushed], metadata={"deletionTimestamp": ago(-20)}), (), NOW).event.endswith(
        "(Eviction API: evicting)"
    )


def test_a_pod_that_should_have_ended_is_in_trouble() -> None:
    stuck = state_of(pod(metadata={"deletionTimestamp": ago(300)}), (), NOW)
    assert stuck.status == "draining"
    assert stuck.trouble == "should have ended 5 min ago, and node-1 has not said that it did"


def test_a_pod_that_was_ready_and_is_no_more_is_not_called_starting() -> None:
    fallen = pod("web-1", running(ready=False, since=60), since=10)
    assert (state_of(fallen, (), NOW).status, state_of(fallen, (), NOW).event) == ("unready", "is no longer ready")


def test_events_about_others_say_nothing_about_a_pod() -> None:
    other = happened("FailedMount", 'MountVolume.SetUp failed for volume "d" : x', about="web-2")
    assert trouble(pod("web-1", CREATING, since=3), other) == ""


def test_events_of_both_writers_are_put_in_order() -> None:
    old = happened("FailedMount", 'MountVolume.SetUp failed for volume "d" : first', seconds=50)
    new = {
        **happened("FailedMount", 'MountVolume.SetUp failed for volume "d" : second', seconds=0),
        "lastTimestamp": None,
    }
    new |= {"firstTimestamp": None, "eventTime": ago(40), "series": {"count": 4, "lastObservedTime": ago(9)}}
    assert trouble(pod("web-1", CREATING), new, old).endswith("second")


@pytest.mark.parametrize(
    "text", ["x" * 5000, "a\nb\tc\x00\x07d", "\u202ereversed\u2066", "\x1b[31mred\x1b[0m", "é漢字🙂"]
)
def test_whatever_a_container_says_is_one_short_printable_line(text: str) -> None:
    crash = pod("web-1", crashed(ended(1, message=text)))
    probe = happened("Unhealthy", f"Readiness probe failed: {text}", part="web")
    refused = pod("web-1", waiting("CreateContainerConfigError", text))
    failed = pod(status={"phase": "Failed", "reason": text, "message": text})
    things = [(crash, ()), (pod("web-1", running(ready=False)), (probe,)), (refused, ()), (failed, ())]
    for thing, events in things:
        said = trouble(thing, *events)
        assert said.isprintable()
        assert 0 < len(said) < 400
