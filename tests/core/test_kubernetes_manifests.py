"""A manifest is held against what a release needs of it, when the definition is checked and not when it is applied."""

import pytest

from engine.errors import StageFailure
from engine.manifest import container_of, objects, read, repository_of, selector_of
from engine.manifest_rules import BESIDE, VERSIONS
from engine.pipeline import check
from engine.targets.kubernetes import manifests
from engine.targets.kubernetes.kinds import kind_of
from tests.support.kube_releases import valid

WHOLE = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {team: shop}
spec:
  replicas: 3
  strategy: {type: RollingUpdate}
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web, version: "1.0"}
    spec:
      containers:
        - name: web
          image: shop/web:v1
          env:
            - {name: A, value: "1"}
          ports:
            - containerPort: 8080
        - name: proxy
          image: other/proxy:v1
---
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {app: web}
  ports:
    - {port: 80, targetPort: 8080}
"""
AROUND = """\
pipeline: shop
stages:
- name: gray
  gray:
    target: kubernetes
    namespace: shop
    workload: web
    image: shop/web:v2
    instances: 3
    service: {port: 80}
    creation: yaml
    manifest: |
"""
HERE = "stages[0].gray.manifest"
FIRST = AROUND.count("\n") + 1


def around(text: str) -> str:
    return AROUND + "".join(f"      {line}\n" for line in text.splitlines())


def line_of(text: str, at: str) -> int:
    return FIRST + text[: text.index(at)].count("\n")


# What is replaced in the manifest, by what, in which of its lines the fault is told, and words of problem and advice.
FAULTS = [
    ("kind: Deployment", "kind: StatefulSet", "kind: StatefulSet", "cannot be released in two copies", "a Deployment"),
    ("kind: Deployment", "kind: Job", "kind: Job", "a Job cannot be released in two copies", "a Deployment"),
    (
        "kind: Deployment",
        "kind: Deploymnet",
        "kind: Deploymnet",
        "of the kind 'Deploymnet' cannot stand here",
        "Deployment",
    ),
    ("kind: Deployment\n", "", "apiVersion: apps/v1", "an object without a kind", "kind: Deployment"),
    (
        "apps/v1",
        "extensions/v1beta1",
        "apiVersion: extensions/v1beta1",
        "apiVersion of the Deployment is",
        "apiVersion: apps/v1",
    ),
    ("apiVersion: v1\n", "", "kind: Service", "apiVersion of the Service is missing", "apiVersion: v1"),
    ("  name: web\n  labels", "  name: Web_1\n  labels", "name: Web_1", "'Web_1' is no name", "small letters"),
    ("  name: web\n  labels", "  labels", "labels: {team: shop}", "the Deployment has no name", "metadata: {name"),
    (
        "  name: web\n  labels",
        "  name: wob\n  labels",
        "name: wob",
        "is called wob, and the workload web",
        "workload: wob",
    ),
    ("  name: web\nspec", "  name: wob\nspec", "name: wob", "the Service is called wob", "name: wob"),
    (
        "  labels: {team: shop}",
        "  namespace: other",
        "namespace: other",
        "'other' is not the namespace of",
        "namespace: in",
    ),
    (
        "replicas: 3",
        "replicas: 4",
        "replicas: 4",
        "replicas is 4, and instances in the definition is 3",
        "instances: 4",
    ),
    ("replicas: 3", "replicas: '3'", "replicas: '3'", "is '3', which is no count", "a whole number"),
    ("replicas: 3", "paused: true", "paused: true", "starts nothing", "paused: false"),
    ("replicas: 3", "replica: 3", "replica: 3", "'replica' is no key of spec", "replicas"),
    (
        "type: RollingUpdate",
        "type: Recreate",
        "strategy: {type: Recreate}",
        "upgrade is recreate, and the definition's rolling",
        "upgrade",
    ),
    (
        "type: RollingUpdate",
        "type: Rolling",
        "strategy: {type: Rolling}",
        "is 'Rolling'",
        "one of RollingUpdate, Recreate",
    ),
    (
        "    matchLabels: {app: web}",
        "    matchLabels: {}",
        "matchLabels: {}",
        "selects by no labels",
        "matchLabels: {app",
    ),
    (
        "    matchLabels: {app: web}",
        "    matchLabels: {app: wob}",
        "matchLabels: {app: wob}",
        "selector wants app: wob",
        "same label",
    ),
    (
        "    matchLabels: {app: web}",
        "    matchLabels: {sluice.dev/group: a}",
        "matchLabels: {sluice.dev/group: a}",
        "is a label that Sluice sets",
        "another label",
    ),
    (
        'version: "1.0"',
        "version: 1.0",
        "labels: {app: web, version: 1.0}",
        "YAML takes it for the number 1.0",
        "it in quotes",
    ),
    (
        'version: "1.0"',
        "version: yes",
        "labels: {app: web, version: yes}",
        "YAML takes it for true or false",
        "it in quotes",
    ),
    (
        'version: "1.0"',
        "version: a b",
        "labels: {app: web, version: a b}",
        "which no label can be",
        "at most 63 letters",
    ),
    ("image: other/proxy:v1", "command: [a]", "- name: proxy", "container proxy has no image", "image: of its"),
    ('value: "1"', "value: 8080", "- {name: A, value: 8080}", "env.0.value is no text", "in quotes"),
    ("containerPort: 8080", "containerPort: http", "- containerPort: http", "'http', which is no port", "65535"),
    ("          ports:", "          port:", "port:", "'port' is no key of spec.template.spec.cont", "ports"),
    (
        "  selector: {app: web}",
        "  selector: {app: wob}",
        "selector: {app: wob}",
        "Service selects app: wob",
        "Deployment's temp",
    ),
    ("  selector: {app: web}", "  type: ClusterIP", "type: ClusterIP", "selects no pods", "selector: {app"),
    (
        "  selector: {app: web}",
        "  selector: {app: web}\n  type: ExternalName",
        "type: ExternalName",
        "",
        "one of ClusterIP",
    ),
    ("port: 80,", "port: 81,", "- {port: 81, targetPort: 8080}", "has the ports 81, and not 80", "port: 80 among"),
    (
        "port: 80,",
        "port: 80, protocol: UDP,",
        "- {port: 80, protocol: UDP, targetPort: 8080}",
        "80 is not TCP",
        "protocol: TCP",
    ),
    ("port: 80,", "port: '80',", "- {port: '80', targetPort: 8080}", "which is no port", "without quotes"),
]


def test_a_manifest_that_fits_gives_nothing_to_complain_about() -> None:
    assert check(around(WHOLE)) == ()
    assert all(valid(each) for each in objects(WHOLE))


@pytest.mark.parametrize(("old", "new", "at", "problem", "instead"), FAULTS)
def test_a_fault_is_told_in_its_own_line(old: str, new: str, at: str, problem: str, instead: str) -> None:
    assert old in WHOLE
    changed = WHOLE.replace(old, new, 1)
    found = check(around(changed))
    told = [one for one in found if one.path == HERE and problem in one.problem and instead in one.instead]
    assert told, found
    assert told[0].line == line_of(changed, at)


def test_the_image_tells_which_container_is_meant() -> None:
    assert check(around(WHOLE.replace("name: web\n          image", "name: a\n          image"))) == ()


NOT_BESIDE = [
    ("v1", "Secret", "read by everybody who may see the pipeline", "beforehand"),
    ("v1", "Pod", "cannot be released in two copies", "a Deployment"),
    ("v1", "Namespace", "belongs to the whole cluster", "beforehand"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "gives rights", "beforehand"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "gives rights", "beforehand"),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "decides on the instances", "instances:"),
    ("networking.istio.io/v1", "VirtualService", "decides who gets requests", "adopts it"),
    ("v1", "List", "hides its objects", "a document of its own"),
    ("example.com/v1", "Whatever", "of the kind 'Whatever' cannot stand here", "ConfigMap"),
]


@pytest.mark.parametrize(("version", "kind", "problem", "instead"), NOT_BESIDE)
def test_what_may_not_stand_beside_a_workload_is_refused_with_the_reason(
    version: str, kind: str, problem: str, instead: str
) -> None:
    (only,) = check(around(f"{WHOLE}---\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n"))
    assert problem in only.problem
    assert instead in only.instead
    assert only.line == FIRST + WHOLE.count("\n") + 2


@pytest.mark.parametrize("kind", BESIDE)
def test_what_may_stand_beside_a_workload_stands_there(kind: str) -> None:
    text = f"{WHOLE}---\napiVersion: {VERSIONS[kind]}\nkind: {kind}\nmetadata: {{name: a}}\n"
    assert check(around(text)) == ()
    (beside,) = manifests.parse(text).beside
    assert kind_of(beside).api_version == VERSIONS[kind]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (WHOLE[: WHOLE.index("---")], "holds no Service"),
        (WHOLE[WHOLE.index("---") :], "holds no Deployment"),
        (f"{WHOLE}---\n{WHOLE[: WHOLE.index('---')]}", "holds 2 objects of the kind Deployment"),
        (f"{WHOLE}{WHOLE[WHOLE.index('---') :]}", "holds 2 objects of the kind Service"),
        (f"{WHOLE}{WHOLE[WHOLE.index('---') :]}", "Service web stands twice"),
        (f"{WHOLE}---\na: &a {{b: c}}\nd: {{<<: *a}}\n", "merges keys from elsewhere"),
    ],
)
def test_a_manifest_is_one_workload_behind_one_service(text: str, problem: str) -> None:
    assert any(problem in one.problem for one in check(around(text)))


def test_a_container_that_nobody_can_tell_is_asked_for() -> None:
    text = around(WHOLE.replace("name: web\n          image: shop/web", "name: a\n          image: x/y"))
    (only,) = check(text)
    assert "which of the containers a, proxy the release replaces" in only.problem
    assert only.instead == "container: in the definition, and one of a, proxy"
    assert check(text.replace("    creation: yaml\n", "    creation: yaml\n    container: proxy\n")) == ()
    (other,) = check(text.replace("    creation: yaml\n", "    creation: yaml\n    container: web\n"))
    assert "no container here is called web" in other.problem
    assert other.instead == "container: in the definition, and one of a, proxy"


def test_values_of_variables_are_looked_at_too() -> None:
    text = around(WHOLE.replace('value: "1"', "value: ${port}")).replace(
        "stages:", "variables: {port: '8080'}\nstages:", 1
    )
    (only,) = check(text)
    assert "YAML takes it for the number 8080" in only.problem


BESIDE_IT = [
    ("environment: {A: '1'}", "environment"),
    ("max_unavailable: 0", "max_unavailable"),
    ("readiness: {http: /}", "readiness.http"),
    ("readiness: {every: 1s}", "readiness.every"),
    ("pull: always", "pull"),
    ("lifecycle: {command: a}", "lifecycle"),
]


@pytest.mark.parametrize(("given", "key"), BESIDE_IT)
def test_what_a_manifest_says_itself_cannot_stand_beside_it(given: str, key: str) -> None:
    (only,) = check(around(WHOLE).replace("    creation: yaml\n", f"    creation: yaml\n    {given}\n"))
    assert only.path == f"stages[0].gray.{key}"
    assert "a manifest" in only.problem
    assert only.instead == "it in the manifest alone"


@pytest.mark.parametrize("key", ["access: node", "container_port: 8080"])
def test_what_a_manifests_service_says_cannot_stand_beside_it(key: str) -> None:
    (only,) = check(around(WHOLE).replace("{port: 80}\n    creation", f"{{port: 80, {key}}}\n    creation"))
    assert only.path == f"stages[0].gray.service.{key.partition(':')[0]}"


def test_time_to_get_ready_and_to_drain_stands_beside_a_manifest() -> None:
    given = "readiness: {within: 2m}\n    drain: 9s"
    assert check(around(WHOLE).replace("    creation: yaml\n", f"    creation: yaml\n    {given}\n")) == ()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0644", 420),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b11", 3),
        ("-5", -5),
        ("+3", 3),
        ("0", 0),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("08", 8.0),
        ("yes", True),
        ("off", False),
        ("~", None),
        ("'1'", "1"),
        ("!!str 5", "5"),
        ("12:30", "12:30"),
        ("2001-01-01", "2001-01-01"),
        ("1_000", "1_000"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_a_plain_word_is_what_kubernetes_tools_take_it_for(text: str, value: object) -> None:
    (only,) = objects(f"a: {text}")
    assert only == {"a": value}
    assert type(only["a"]) is type(value)


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("shop/web:v1", "shop/web"),
        ("web", "web"),
        ("registry.example.com:5000/shop/web:v1@sha256:0a", "shop/web"),
        ("localhost/web@sha256:0a", "web"),
        ("a/b/c:1", "a/b/c"),
        ("", ""),
    ],
)
def test_the_repository_of_an_image_is_its_name_alone(image: str, repository: str) -> None:
    assert repository_of(image) == repository


def test_no_container_is_chosen_by_an_image_that_says_nothing() -> None:
    two = [{"name": "a", "image": "x/y"}, {"name": "b", "image": "x/z"}]
    assert container_of(two, "web", "") == ""


def test_the_selector_of_a_manifest_can_be_read() -> None:
    assert selector_of(WHOLE) == "app=web"
    assert selector_of("a: b") == selector_of("kind: Deployment") == ""
    read_before = selector_of.cache_info().misses
    assert selector_of(WHOLE) == "app=web"
    assert selector_of.cache_info().misses == read_before


def test_a_manifest_is_taken_apart() -> None:
    whole = manifests.parse(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\n---\n{WHOLE}")
    assert (whole.workload["kind"], whole.service["kind"]) == ("Deployment", "Service")
    assert [each["kind"] for each in whole.beside] == ["ConfigMap"]


def test_a_manifest_is_read_once_and_whoever_changes_it_changes_their_own() -> None:
    text = f"# read once\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\n---\n{WHOLE}"
    read_before = manifests._parsed.cache_info().misses
    first, again = manifests.parse(text), manifests.parse(text)
    assert first == again
    for thing in (first.workload, first.service, *first.beside):
        thing["metadata"]["name"] = "changed"
    first.workload["spec"]["template"]["spec"]["containers"][0]["image"] = "changed"
    assert manifests.parse(text) == again
    assert manifests._parsed.cache_info().misses == read_before + 1


@pytest.mark.parametrize("text", ["", "a: b", WHOLE + "---\nkind: Secret\n", WHOLE[: WHOLE.index("---")]])
def test_a_manifest_that_was_kept_unchecked_is_refused_when_it_is_used(text: str) -> None:
    with pytest.raises(StageFailure, match="not one Deployment and one Service"):
        manifests.parse(text)


def test_a_fault_of_yaml_is_told_alone() -> None:
    documents, faults = read("a: [\n---\nb: c\n")
    assert [document.data for document in documents] == [{"b": "c"}]
    assert [fault.row for fault in faults] == [0]


@pytest.mark.parametrize(
    ("kind", "plural"), [("NetworkPolicy", "networkpolicies"), ("Gateway", "gateways"), ("Ingress", "ingresses")]
)
def test_the_plural_of_a_kind_is_as_the_api_spells_it(kind: str, plural: str) -> None:
    assert kind_of({"apiVersion": "example.com/v1", "kind": kind}).plural == plural
