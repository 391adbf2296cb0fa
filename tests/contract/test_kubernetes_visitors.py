"""What visitors of a real cluster count as lost: everything but what each HTTP client makes good by itself.

The pod is a socket here that does with each request what the test says, one list for each connection: `answer` it,
`close` or `reset` the connection instead, send `half` an answer, or an `error`.
"""

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from engine.targets.kubernetes.kinds import ENDPOINT_SLICE
from tests.support.kube_lives import left_at
from tests.support.kube_promises import Change
from tests.support.kube_visitors import Endpoints, Json
from tests.support.visitors import PLAIN, Errand, Tally, Visitor

READY = {"ready": True, "serving": True, "terminating": False}
ENDING = {"ready": False, "serving": True, "terminating": True}
BODY = json.dumps({"version": "v1"}).encode()
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
SENT = {"answer": ANSWER, "half": ANSWER[:30], "error": b"HTTP/1.1 503 Oops\r\ncontent-length: 0\r\n\r\n"}


def piece(*endpoints: tuple[str, Json], port: int = 8080, name: str = "hello-1") -> Json:
    """One EndpointSlice."""
    listed = [{"addresses": [host], "conditions": conditions} for host, conditions in endpoints]
    labels = {"kubernetes.io/service-name": "hello"}
    return {"metadata": {"name": name, "labels": labels}, "endpoints": listed, "ports": [{"port": port}]}


@contextlib.contextmanager
def pod(*connections: list[str], errand: Errand = PLAIN, heard: list[bytes] | None = None) -> Iterator[Visitor]:
    """A visitor who stays, and the only pod there is; `heard` is given every request."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = threading.Thread(target=_serve, args=(server, connections, [] if heard is None else heard))
        serving.start()
        endpoints = Endpoints(lag=0.0)
        endpoints.hear({"hello-1": piece(("127.0.0.1", READY), port=server.getsockname()[1])})
        visitor = Visitor(endpoints, Tally(), stays=True, errand=errand)
        try:
            yield visitor
        finally:
            if visitor.connection is not None:
                visitor.connection.close()
            serving.join()


def _serve(server: socket.socket, connections: tuple[list[str], ...], heard: list[bytes]) -> None:
    server.settimeout(10)
    for acts in connections:
        connection, _ = server.accept()
        with connection:
            connection.settimeout(10)
            for act in acts:
                heard.append(connection.recv(4096))
                assert heard[-1].endswith(b"\r\n\r\n")
                if act == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.sendall(SENT.get(act, b""))


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_request_that_meets_the_end_of_a_kept_connection_is_made_once_more(end: str) -> None:
    with pod(["answer", "answer", end], ["answer"]) as visitor:
        for _ in range(3):
            visitor.ask()
    tally = visitor.tally
    assert (tally.failures, tally.total, tally.closed) == ([], 3, 1)
    assert [one.host for one in tally.again] == ["127.0.0.1"]
    assert "awaiting an answer" in tally.again[0].words
    assert "kept, 2 answers" in tally.again[0].words


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_request_that_is_let_down_on_a_new_connection_is_lost(end: str) -> None:
    with pod([end]) as visitor:
        visitor.ask()
    assert (len(visitor.tally.failures), visitor.tally.again, visitor.tally.total) == (1, [], 1)


def test_a_request_is_made_once_more_and_not_twice() -> None:
    with pod(["answer", "close"], ["close"], ["answer"]) as visitor:
        for _ in range(3):
            visitor.ask()
    tally = visitor.tally
    assert (len(tally.failures), len(tally.again), tally.answers["v1"]) == (1, 1, 2)


@pytest.mark.parametrize("end", ["half", "error"])
def test_an_answer_that_is_not_whole_or_not_good_is_a_request_lost_on_a_kept_connection_too(end: str) -> None:
    with pod(["answer", end]) as visitor:
        for _ in range(2):
            visitor.ask()
    assert (len(visitor.tally.failures), visitor.tally.again) == (1, [])


def test_who_finds_a_connection_closed_before_a_request_makes_it_on_a_new_one() -> None:
    with pod(["answer"], ["answer"]) as visitor:
        visitor.ask()
        connection = visitor.connection
        assert connection is not None
        assert connection.sock.recv(1, socket.MSG_PEEK) == b"", "the pod has closed it"
        visitor.ask()
    tally = visitor.tally
    assert (tally.failures, tally.again, tally.closed, tally.total) == ([], [], 1, 2)


def test_a_visitor_asks_for_what_the_errand_says_and_its_answers_are_counted_apart() -> None:
    heard: list[bytes] = []
    errand = Errand("reports", "/reports", {"host": "shop.example.com", "x-tester": "yes"})
    with pod(["answer"], errand=errand, heard=heard) as visitor:
        visitor.ask()
    first, *headers = heard[0].decode().strip().split("\r\n")
    assert first == "GET /reports HTTP/1.1"
    assert {"host: shop.example.com", "x-tester: yes"} <= set(headers)
    assert len([one for one in headers if one.lower().startswith("host:")]) == 1
    assert visitor.tally.answers == {"reports v1": 1}


def test_what_visitors_tell_is_taken_over_whole() -> None:
    with pod(["answer", "close"], ["close"]) as visitor:
        for _ in range(2):
            visitor.ask()
    other = Tally()
    other.take(visitor.tally.told())
    assert other == visitor.tally


@pytest.mark.parametrize(
    ("conditions", "goes"),
    [
        ([READY, ENDING], {"0"}),
        ([READY, READY], {"0", "1"}),
        ([ENDING, ENDING], {"0", "1"}),
        ([ENDING, {"ready": False, "serving": False, "terminating": True}], {"0"}),
        ([ENDING, {"ready": False, "serving": False, "terminating": False}], {"0"}),
        ([{}, ENDING], {"0"}),
    ],
)
def test_connections_go_where_a_proxy_of_a_node_sends_them(conditions: list[Json], goes: set[str]) -> None:
    endpoints = Endpoints(lag=0.0)
    endpoints.hear({"hello-1": piece(*((str(host), each) for host, each in enumerate(conditions)))})
    assert {endpoints.pick()[0] for _ in range(4)} == goes


def test_a_pod_in_two_slices_has_no_second_turn_and_without_any_a_connection_is_refused() -> None:
    endpoints = Endpoints(lag=0.0)
    endpoints.hear({"a": piece(("0", READY), ("1", READY)), "b": piece(("1", READY), name="b")})
    assert sorted(endpoints.pick()[0] for _ in range(4)) == ["0", "0", "1", "1"]
    endpoints.hear({})
    with pytest.raises(ConnectionRefusedError, match="no endpoints"):
        endpoints.pick()


def test_a_change_of_endpoints_counts_only_a_while_later() -> None:
    endpoints = Endpoints(lag=60.0)
    endpoints.hear({"hello-1": piece(("0", READY))})
    with pytest.raises(ConnectionRefusedError):
        endpoints.pick()


def test_a_pod_is_left_when_the_last_slice_of_the_service_says_so() -> None:
    changes = [
        Change(number, float(number), ENDPOINT_SLICE, name, thing)
        for number, (name, thing) in enumerate(
            [
                ("a", piece(("0", READY))),
                ("b", piece(("0", READY), name="b")),
                ("a", piece(("0", ENDING))),
                ("b", piece(("0", ENDING), name="b")),
                ("a", piece(("0", ENDING), ("1", READY))),
                ("a", None),
            ]
        )
    ]
    assert [left_at("0", "hello", changes[:count]) for count in range(1, 5)] == [None, None, None, 3.0]
    assert (left_at("0", "hello", changes), left_at("1", "hello", changes)) == (3.0, 5.0)
    assert (left_at("0", "others", changes), left_at("2", "hello", changes)) == (None, None)
