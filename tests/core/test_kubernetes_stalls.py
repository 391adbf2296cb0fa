"""Why a Deployment makes no pods, in words: from what real API servers write."""

from engine.targets.kubernetes import stalls
from tests.support.pod_json import (
    condition,
    deployment,
)


def test_a_deployment_says_what_keeps_pods_from_being_made() -> None:
    def refused(message: str) -> str:
        failure = condition("ReplicaFailure", on=True, reason="FailedCreate", message=message)
        return stalls.refused(deployment(status={"conditions": [failure]}))

    assert refused(
        'pods "web-1" is forbidden: exceeded quota: small, requested: pods=1,requests.cpu=100m, used: '
        "pods=4,requests.cpu=100m, limited: pods=4,requests.cpu=300m"
    ) == ("gets no new instances: quota small is used up: pods: 4 of 4 in use, 1 more asked for")
    assert refused('pods "web-1" is forbidden: failed quota: small: must specify requests.cpu for: web') == (
        "gets no new instances: quota small wants requests.cpu set for container web"
    )
    assert refused(
        'pods "web-1" is forbidden: violates PodSecurity "restricted:latest": privileged (container "web" must not set '
        'securityContext.privileged=true), runAsNonRoot != true (pod or container "web" must set (x) it)'
    ) == ("gets no new instances: the namespace's Pod Security (restricted) forbids privileged, runAsNonRoot != true")
    assert refused(
        'pods "web-" is forbidden: error looking up service account shop/ghost: serviceaccount "ghost" not found'
    ) == ("gets no new instances: there is no ServiceAccount ghost")
    assert refused('admission webhook "policy.example.com" denied the request: no latest tags\n') == (
        "gets no new instances: policy.example.com refuses them: no latest tags"
    )


def test_a_deployment_that_is_paused_or_late_says_so() -> None:
    assert stalls.refused(deployment(spec={"paused": True})).startswith("is paused")
    gone = condition("Progressing", on=False, reason="ProgressDeadlineExceeded")
    assert stalls.late(deployment(spec={"progressDeadlineSeconds": 60}, status={"conditions": [gone]})) == (
        "has got no further for 60 s"
    )
    assert stalls.refused(deployment()) == stalls.late(deployment()) == ""
