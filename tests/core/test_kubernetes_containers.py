"""Why a container does not run or does not serve, in words: from what real kubelets and registries write."""

from typing import Any

import pytest

from engine.targets.kubernetes.sight import state_of
from tests.support.pod_json import (
    NOW,
    container,
    crashed,
    ended,
    happened,
    pod,
    running,
    waiting,
)

REMOTE = 'failed to pull and unpack image "org/web:v2": failed to resolve reference "org/web:v2": '
HEAD = f'{REMOTE}failed to do request: Head "https://registry.example.com/v2/org/web/manifests/v2": '
HTTP = container(readinessProbe={"httpGet": {"path": "/healthz", "port": 8080}, "timeoutSeconds": 2})


def trouble(thing: dict[str, Any], *events: dict[str, Any]) -> str:
    return state_of(thing, events, NOW).trouble


def pulled(message: str) -> str:
    return trouble(pod("web-1", waiting("ImagePullBackOff", message)))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (f"{REMOTE}org/web:v2: not found", "there is no such image or tag in the registry"),
        (
            "reading manifest v2 in registry.example.com/org/web: manifest unknown",
            "there is no such image or tag in the registry",
        ),
        (
            (
                f"{REMOTE}pull access denied, repository does not exist or may require authorization: server message: "
                "insufficient_scope: authorization failed"
            ),
            "there is no such repository, or no permission to read it",
        ),
        (
            f"{REMOTE}failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized",
            "no permission: the pull secret is missing or wrong",
        ),
        (f"{REMOTE}unexpected status from HEAD request: 403 Forbidden", "the registry gives no permission"),
        (
            f"{HEAD}dial tcp: lookup registry.example.com on 10.0.0.10:53: no such host",
            "there is no such host registry.example.com",
        ),
        (f"{HEAD}dial tcp 10.0.0.9:443: connect: connection refused", "the registry refuses connections 10.0.0.9:443"),
        (f"{HEAD}dial tcp 10.0.0.9:443: i/o timeout", "the registry does not answer in time"),
        (
            f"{HEAD}tls: failed to verify certificate: x509: certificate signed by unknown authority",
            "the registry's certificate is not trusted",
        ),
        (
            f"{HEAD}http: server gave HTTP response to HTTPS client",
            "the registry speaks HTTP where the node expects HTTPS",
        ),
        (
            "toomanyrequests: You have reached your pull rate limit.",
            "the registry gives no more pulls for now (rate limit)",
        ),
        (f"{REMOTE}no match for platform in manifest: not found", "it is not made for the node's processor"),
        ("write /var/lib/containerd/x: no space left on device", "the node's disk is full"),
        ("context deadline exceeded", "the pull does not end in time"),
        (
            f"{REMOTE}unexpected status from HEAD request: 503 Service Unavailable",
            "the registry answers 503 Service Unavailable",
        ),
    ],
)
def test_an_image_that_cannot_be_pulled_is_named_with_the_registrys_reason(message: str, reason: str) -> None:
    assert pulled(message) == f"cannot pull image org/web:v2: {reason}"
    assert pulled(f'Back-off pulling image "org/web:v2": ErrImagePull: {message}').endswith(reason)


def test_a_reason_that_is_not_known_is_shown_as_it_came() -> None:
    assert pulled(f"{REMOTE}the moon is full") == "cannot pull image org/web:v2: resolve reference …: the moon is full"


def test_what_older_kubelets_leave_out_of_the_status_is_taken_from_the_events() -> None:
    back_off = pod("web-1", waiting("ImagePullBackOff", 'Back-off pulling image "org/web:v2"'))
    events = (
        happened("Failed", f'Failed to pull image "org/web:v2": rpc error: {REMOTE}org/web:v2: not found', part="web"),
        happened("Failed", "Error: ErrImagePull", part="web"),
    )
    assert trouble(back_off, *events).endswith("there is no such image or tag in the registry")
    assert trouble(back_off) == "cannot pull image org/web:v2"


def test_a_long_digest_is_cut_where_an_image_is_named() -> None:
    image = f"org/web@sha256:{'0123456789abcdef' * 4}"
    said = pod("web-1", waiting("ErrImagePull", "not found"), containers=[container(image=image)])
    assert trouble(said).startswith("cannot pull image org/web@sha256:0123456789ab…: there is no such image")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (
            waiting(
                "InvalidImageName",
                'Failed to apply default image tag "org/Web:v2": couldn\'t parse image name "org/Web:v2": invalid '
                "reference format: repository name (org/Web) must be lowercase",
            ),
            "has an image name that cannot be one, org/web:v2: repository name (org/Web) must be lowercase",
        ),
        (
            waiting("ErrImageNeverPull", 'Container image "org/web:v2" is not present with pull policy of Never'),
            "cannot use image org/web:v2: it is not on the node, and its pull policy is Never",
        ),
        (
            waiting("CreateContainerConfigError", 'configmap "settings" not found'),
            "cannot be set up: ConfigMap settings is missing",
        ),
        (
            waiting("CreateContainerConfigError", 'secret "passwords" not found'),
            "cannot be set up: Secret passwords is missing",
        ),
        (
            waiting("CreateContainerConfigError", "couldn't find key host in ConfigMap shop/settings"),
            "cannot be set up: ConfigMap settings has no key host",
        ),
        (
            waiting("CreateContainerConfigError", "couldn't find key db in Secret shop/passwords"),
            "cannot be set up: Secret passwords has no key db",
        ),
        (
            waiting(
                "CreateContainerConfigError",
                'container has runAsNonRoot and image will run as root (pod: "web-1_shop(1)", container: web)',
            ),
            "cannot be set up: its image runs as root, and runAsNonRoot forbids that",
        ),
        (
            waiting(
                "RunContainerError",
                "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create "
                'failed: unable to start container process: exec: "/nope": stat /nope: no such file or '
                "directory: unknown",
            ),
            'cannot be started: "/nope": stat /nope: no such file or directory',
        ),
        (
            waiting(
                "PostStartHookError",
                'Exec lifecycle hook ([/bin/sh -c x]) for Container "web" in Pod "web-1_shop(1)" failed - error: '
                "command "
                "'/bin/sh -c x' exited with 7: , message: \"oops\\n\"",
            ),
            "is ended because its post-start command fails: exit code 7: oops",
        ),
        (waiting("SomethingNew", "of tomorrow"), "waits: SomethingNew of tomorrow"),
    ],
)
def test_what_a_container_waits_for_is_said_in_words(status: dict[str, Any], words: str) -> None:
    assert trouble(pod("web-1", status)) == words


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (
            ended(3, message="cannot reach the database\n"),
            "ends with exit code 3, restarted 5 times: cannot reach the database",
        ),
        (
            ended(1, message="booting\nKeyError: PASSWORD\n\n"),
            "ends with exit code 1, restarted 5 times: KeyError: PASSWORD",
        ),
        (ended(2), "ends with exit code 2, restarted 5 times"),
        (ended(0, "Completed"), "ends by itself with exit code 0, restarted 5 times"),
        (ended(139), "is killed by SIGSEGV (exit code 139), restarted 5 times"),
        (ended(137), "is killed by SIGKILL (exit code 137), restarted 5 times"),
        (ended(255), "is killed by signal 127 (exit code 255), restarted 5 times"),
        (ended(137, "OOMKilled"), "ran out of memory (limit 64Mi), restarted 5 times"),
        (
            ended(
                128,
                "StartError",
                'runc: unable to start container process: exec: "web": executable file not found in $PATH: unknown',
            ),
            'cannot be started, restarted 5 times: "web": executable file not found in $PATH',
        ),
    ],
)
def test_a_crash_is_told_by_how_the_container_ended_last(how: dict[str, Any], words: str) -> None:
    limited = container(resources={"limits": {"memory": "64Mi"}})
    assert trouble(pod("web-1", crashed(how), containers=[limited])) == words


def test_a_crash_is_told_before_the_back_off_begins_and_after_the_container_runs_again() -> None:
    just = {**crashed({}, times=1), "state": ended(3, message="no disk")}
    again = running(ready=False, since=1, restartCount=1, lastState=ended(3, message="no disk"))
    for status in (just, again):
        assert trouble(pod("web-1", status)) == "ends with exit code 3, restarted once: no disk"


def test_memory_that_ran_out_without_a_limit_was_the_nodes() -> None:
    assert trouble(pod("web-1", crashed(ended(137, "OOMKilled")))).startswith(
        "ran out of memory (it has no limit, its node had no more)"
    )


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("HTTP probe failed with statuscode: 503", "answers 503 at /healthz"),
        (
            'Get "http://10.1.2.3:8080/healthz": dial tcp 10.1.2.3:8080: connect: connection refused',
            "nothing listens on port 8080",
        ),
        (
            (
                'Get "http://10.1.2.3:8080/healthz": context deadline exceeded (Client.Timeout exceeded while awaiting '
                "headers)"
            ),
            "no answer within 2 s at /healthz",
        ),
        ('Get "http://10.1.2.3:8080/healthz": EOF', "EOF"),
        ("disk is full\n\x1b[31msee the log\x1b[0m\n", "disk is full see the log"),
        ("", "says nothing"),
    ],
)
def test_a_failing_readiness_probe_is_told_with_its_output(message: str, words: str) -> None:
    seen = state_of(
        pod("web-1", running(ready=False), containers=[HTTP]),
        [happened("Unhealthy", f"Readiness probe failed: {message}", part="web", times=25)],
        NOW,
    )
    assert (seen.status, seen.trouble) == ("unready", f"does not pass its readiness probe: {words}")


def test_a_probe_that_failed_before_the_container_was_started_anew_is_no_longer_of_interest() -> None:
    early = happened("Unhealthy", "Readiness probe failed: old", part="web", seconds=50)
    assert state_of(pod("web-1", running(ready=False, since=20), containers=[HTTP]), [early], NOW).trouble == ""


def test_a_probe_that_nothing_is_said_about_is_described_after_a_while() -> None:
    quiet = pod("web-1", running(ready=False, since=40), containers=[HTTP])
    assert trouble(quiet) == "has not passed its readiness probe (GET /healthz on port 8080) in 40 s"
    fresh = pod("web-1", running(ready=False, since=5), containers=[HTTP], since=6)
    assert state_of(fresh, (), NOW).status == "starting"
    assert state_of(fresh, (), NOW).event == "runs, and is not ready yet"


@pytest.mark.parametrize(("kind", "code"), [("Liveness", 0), ("Startup", 137)])
def test_a_container_that_a_probe_had_stopped_is_told_by_the_probe(kind: str, code: int) -> None:
    stopped = pod("web-1", crashed(ended(code, "Completed" if code == 0 else "Error")))
    events = (
        happened("Unhealthy", f"{kind} probe failed: disk is full\n", part="web", seconds=6),
        happened("Killing", f"Container web failed {kind.lower()} probe, will be restarted", part="web", seconds=6),
    )
    assert trouble(stopped, *events) == f"does not pass its {kind.lower()} probe, restarted 5 times: disk is full"


def test_a_crash_of_its_own_is_not_blamed_on_a_probe_that_failed_before() -> None:
    early = happened("Killing", "Container web failed liveness probe, will be restarted", part="web", seconds=500)
    assert trouble(pod("web-1", crashed(ended(3, message="no disk"))), early).startswith("ends with exit code 3")


def test_a_throttled_kubelet_does_not_hide_the_probe() -> None:
    early = happened("Killing", "Container web failed liveness probe, will be restarted", part="web", seconds=500)
    assert trouble(pod("web-1", crashed(ended(143))), early).startswith("does not pass its liveness probe")
