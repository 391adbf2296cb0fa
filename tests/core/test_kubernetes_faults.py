import errno
import gc
import json
import ssl
from datetime import timedelta
from typing import Any

import pytest
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    SSLError,
)

from engine.errors import Broken, Interrupted, SluiceError, StageFailure
from engine.targets.kubernetes.exchange import Answer, Asked
from engine.targets.kubernetes.faults import Gone, Held, content, is_missing, refusal, silence
from engine.targets.kubernetes.kinds import DEPLOYMENT, SERVICE, VIRTUAL_SERVICE

APPLY = Asked("prod", "patch", DEPLOYMENT, "shop", "web")
LIST = Asked("prod", "list", SERVICE, "shop")
SAYS = 'User "system:serviceaccount:sluice:sluice" cannot {} resource'


def answer(status: int, message: str = "", **rest: Any) -> Answer:
    headers = rest.pop("headers", {})
    return Answer(status, json.dumps({"kind": "Status", "message": message, **rest}).encode(), headers)


def conflict(*causes: tuple[str, str]) -> Answer:
    told = [{"reason": "FieldManagerConflict", "field": field, "message": message} for field, message in causes]
    return answer(409, "Apply failed with 2 conflicts", reason="Conflict", details={"causes": told})


def because(error: HTTPError, cause: Exception) -> HTTPError:
    error.__cause__ = cause
    return error


def test_what_others_hold_is_told_with_field_and_holder() -> None:
    given = conflict(
        (".spec.replicas", 'conflict with "kubectl" with subresource "scale" using apps/v1 at 2030-01-01T00:00:00Z'),
        ('.spec.template.spec.containers[name="web"].image', 'conflict with "kubectl-client-side-apply" using apps/v1'),
        (".spec.paused", 'conflict with "a \\"quoted\\" one"'),
        (".spec.strategy", "something else"),
    )
    held = refusal(APPLY, given)
    assert isinstance(held, Held)
    assert held.fields == (
        ("spec.replicas", "kubectl"),
        ('spec.template.spec.containers[name="web"].image', "kubectl-client-side-apply"),
        ("spec.paused", 'a "quoted" one'),
        ("spec.strategy", "somebody else"),
    )
    assert "Deployment shop/web in cluster prod" in str(held)
    assert "spec.replicas by kubectl" in str(held)


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        (answer(401, "Unauthorized"), Broken, "Cluster prod does not know Sluice's credentials."),
        (answer(409, "the object has been modified", reason="Conflict"), Interrupted, "at the same moment"),
        (answer(409, 'deployments "web" already exists', reason="AlreadyExists"), Interrupted, "already exists"),
        (answer(410, "too old", reason="Expired"), Gone, "has forgotten that version"),
        (answer(422, "spec.replicas: Invalid value: -1"), StageFailure, "Deployment shop/web: spec.replicas: Invalid"),
        (answer(400, "strict decoding error"), StageFailure, "strict decoding error."),
        (answer(413, ""), StageFailure, "does not take Deployment shop/web"),
        (answer(429, "", headers={"retry-after": "7"}), Interrupted, "asks to wait 7 s"),
        (answer(429, "", headers={"retry-after": "soon"}), Interrupted, "too much to do (patch Deployment shop/web)."),
        (answer(429, "", details={"retryAfterSeconds": 3}), Interrupted, "asks to wait 3 s"),
        (answer(500, "etcdserver: leader changed"), Interrupted, "500, etcdserver: leader changed"),
        (answer(503, ""), Interrupted, "503, Service Unavailable"),
        (answer(504, "Timeout"), Interrupted, "504, Timeout"),
        (answer(302, ""), Broken, "answered 302"),
        (answer(415, "no"), Broken, "answered 415"),
        (answer(799, ""), Interrupted, "799, no words"),
    ],
)
def test_a_refusal_is_for_the_one_who_can_do_something(given: Answer, kind: type[SluiceError], words: str) -> None:
    told = refusal(APPLY, given)
    assert type(told) is kind
    assert words in str(told)


@pytest.mark.parametrize(
    ("given", "after"),
    [
        (answer(429, "", headers={"retry-after": "7"}), 7),
        (answer(429, "", details={"retryAfterSeconds": 3}), 3),
        (answer(503, "", headers={"retry-after": "11"}), 11),
        (answer(429, "", headers={"retry-after": "soon"}), 0),
        (answer(500, ""), 0),
    ],
)
def test_a_cluster_that_asks_to_be_left_alone_is_for_so_long(given: Answer, after: float) -> None:
    told = refusal(APPLY, given)
    assert isinstance(told, Interrupted)
    assert told.after == timedelta(seconds=after)


def test_a_field_that_does_not_exist_fails_the_stage_though_the_cluster_calls_it_its_own_error() -> None:
    message = "failed to create typed patch object (/web; apps/v1, Kind=Deployment): .spec.bogus: field not declared"
    assert isinstance(refusal(APPLY, answer(500, message)), StageFailure)


def test_a_missing_right_is_told_with_verb_resource_and_namespace() -> None:
    told = refusal(APPLY, answer(403, f'deployments.apps "web" is forbidden: {SAYS.format("patch")} "deployments"'))
    assert str(told) == "Cluster prod does not let Sluice patch deployments.apps in namespace shop (web)."
    assert isinstance(told, Broken)
    assert "deploy/README.md" in told.hint
    assert "sluice doctor" in told.hint
    told = refusal(LIST, answer(403, f'services is forbidden: {SAYS.format("list")} "services"'))
    assert str(told) == "Cluster prod does not let Sluice list services in namespace shop."


def test_the_right_to_create_is_named_when_applying_needs_it() -> None:
    told = refusal(APPLY, answer(403, f'deployments.apps "web" is forbidden: {SAYS.format("create")} "deployments"'))
    assert "does not let Sluice create deployments.apps" in str(told)


def test_a_quota_or_a_policy_fails_the_stage_with_its_own_words() -> None:
    told = refusal(APPLY, answer(403, 'deployments.apps "web" is forbidden: exceeded quota: small, requested: 1'))
    assert isinstance(told, StageFailure)
    assert "exceeded quota: small" in str(told)


def test_being_anonymous_is_a_matter_of_credentials_not_of_rights() -> None:
    message = 'deployments.apps is forbidden: User "system:anonymous" cannot list resource "deployments"'
    assert "credentials" in str(refusal(LIST, answer(403, message)))


def test_a_kind_that_the_cluster_does_not_have_is_named_with_what_brings_it() -> None:
    asked = Asked("prod", "get", VIRTUAL_SERVICE, "shop", "web")
    told = refusal(asked, Answer(404, b"404 page not found\n", {"content-type": "text/plain; charset=utf-8"}))
    assert str(told) == "Cluster prod knows no VirtualService (networking.istio.io/v1)."
    assert isinstance(told, Broken)
    assert "Istio" in told.hint


def test_a_namespace_that_is_not_there_is_not_an_object_that_is_not_there() -> None:
    given = answer(404, 'namespaces "shop" not found', details={"name": "shop", "kind": "namespaces"})
    asked = Asked("prod", "patch", DEPLOYMENT, "shop", "shop")
    assert not is_missing(asked, given)
    assert str(refusal(asked, given)) == "Cluster prod has no namespace shop."


def test_only_the_object_asked_for_counts_as_missing() -> None:
    assert is_missing(APPLY, answer(404, "", details={"name": "web", "kind": "deployments"}))
    assert not is_missing(APPLY, answer(404, "the server could not find the requested resource", details={}))
    assert not is_missing(APPLY, Answer(404, b"404 page not found"))


def test_what_is_no_kubernetes_api_is_called_so() -> None:
    told = refusal(Asked("prod", "get", name="/apis"), Answer(404, b"<html>not here</html>"))
    assert "no Kubernetes API" in str(told)


def test_a_page_of_a_proxy_is_not_shown() -> None:
    told = str(refusal(LIST, Answer(502, b"<html><body>secret page</body></html>", {"content-type": "text/html"})))
    assert told == "Cluster prod does not answer: 502, Bad Gateway (list services in namespace shop)."


def test_words_of_the_api_stay_one_line_of_a_sane_length() -> None:
    told = str(refusal(APPLY, answer(422, "bad\r\n\x1b[31m" + "x" * 5000)))
    assert len(told) < 600
    assert told.isprintable()


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"<html>", b"\xff\xfe"])
def test_an_answer_that_is_no_object_is_asked_for_again(body: bytes) -> None:
    with pytest.raises(Interrupted, match="no object"):
        content(APPLY, Answer(200, body))


def test_an_answer_that_is_nested_too_deeply_is_asked_for_again() -> None:
    gc.disable()  # what is tidied up that deep has no room for it, and would be told of here
    try:
        with pytest.raises(Interrupted, match="no object"):
            content(APPLY, Answer(200, b"[" * 100_000))
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectTimeoutError("…"), "nothing came in time"),
        (ProtocolError("Connection aborted.", ConnectionResetError(errno.ECONNRESET, "…")), "connection reset by peer"),
        (
            because(NewConnectionError(HTTPConnection("…"), "…"), ConnectionRefusedError(errno.ECONNREFUSED, "…")),
            "connection refused",
        ),
        (ProtocolError("IncompleteRead"), "the connection broke off"),
        (ProxyError("…", OSError("Tunnel connection failed")), "the proxy before it cannot be reached"),
        (SSLError(ssl.SSLEOFError(8, "EOF occurred")), "TLS does not come about, it broke off"),
        (OSError(errno.EHOSTUNREACH, "…"), "no route to host"),
    ],
)
def test_a_cluster_that_does_not_answer_is_asked_again_and_why_is_said(error: HTTPError | OSError, words: str) -> None:
    told = silence(APPLY, error)
    assert isinstance(told, Interrupted)
    assert str(told) == f"Cluster prod does not answer: {words} (patch Deployment shop/web)."


def test_a_certificate_that_nobody_vouches_for_is_for_the_operator() -> None:
    cause = ssl.SSLCertVerificationError(1, "…")
    cause.verify_message = "self-signed certificate"
    told = silence(APPLY, SSLError(cause))
    assert isinstance(told, Broken)
    assert "does not trust cluster prod: self-signed certificate" in str(told)


def test_certificates_that_are_no_longer_there_are_for_the_operator() -> None:
    told = silence(APPLY, ProtocolError("Connection aborted.", FileNotFoundError(errno.ENOENT, "…")))
    assert isinstance(told, Broken)
    assert "no such file" in str(told)


def test_another_server_at_the_address_is_for_the_operator() -> None:
    said = b"Client sent an HTTP request to an HTTPS server.\n"
    told = refusal(APPLY, Answer(400, said, {"content-type": "text/plain"}))
    assert isinstance(told, Broken)
    assert "Client sent an HTTP request to an HTTPS server." in str(told)


def test_an_address_that_is_none_is_for_the_operator() -> None:
    assert isinstance(silence(APPLY, LocationParseError("…")), Broken)
