"""What is asked of whom when the API server is behind a path, a proxy, or sends us elsewhere."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest
import yaml

from func.core.errors import SettingError
from func.core.reasons import Rejection
from func.kube.client import ApiRequest
from func.kube.connection import connect
from func.kube.deadline import Deadline
from func.kube.errors import ApiError
from func.kube.workflows import Workflows
from tests.kube.conftest import Recorder

_CERTIFICATE = Path(__file__).parents[1] / "data" / "loopback.pem"
PATH = "/apis/argoproj.io/v1alpha1/namespaces/agent-platform/workflows"


def workflows(folder: Path, **cluster: str) -> Workflows:
    """Those of a kubeconfig."""
    config = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "us"}}],
        "clusters": [{"name": "it", "cluster": cluster}],
        "users": [{"name": "us", "user": {"token": "our-token"}}],
    }
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    return Workflows(connect(file, 1), "agent-platform")


def test_who_we_are_and_what_we_want(recorder: Recorder, tmp_path: Path) -> None:
    workflows(tmp_path, server=recorder.url).list_metadata("task-id=3,completed!=true", Deadline.after(5))
    assert recorder.asked == [f"GET {PATH}?labelSelector=task-id%3D3%2Ccompleted%21%3Dtrue"]
    (headers,) = recorder.headers
    assert headers["authorization"] == "Bearer our-token"
    assert headers["user-agent"] == "taskgate"
    assert headers["accept"].startswith("application/json;as=PartialObjectMetadataList")


def test_a_name_stays_a_name(recorder: Recorder, tmp_path: Path) -> None:
    workflows(tmp_path, server=recorder.url).get("../secrets/a?b=c d", Deadline.after(5))
    assert recorder.asked == [f"GET {PATH}/..%2Fsecrets%2Fa%3Fb%3Dc%20d"]


def test_a_cluster_behind_a_path(recorder: Recorder, tmp_path: Path) -> None:
    workflows(tmp_path, server=f"{recorder.url}/k8s/clusters/c-1/").get("a", Deadline.after(5))
    assert recorder.asked == [f"GET /k8s/clusters/c-1{PATH}/a"]


def test_a_proxy_is_told_the_whole_url(recorder: Recorder, tmp_path: Path) -> None:
    cluster = {"server": "http://api.example", "proxy-url": recorder.url}
    workflows(tmp_path, **cluster).get("a", Deadline.after(5))
    assert recorder.asked == [f"GET http://api.example{PATH}/a"]


def test_a_proxy_is_asked_for_a_tunnel(recorder: Recorder, tmp_path: Path) -> None:
    recorder.status = 502
    cluster = {"server": "https://api.example", "proxy-url": recorder.url}
    with pytest.raises(ApiError, match="does not answer"):
        workflows(tmp_path, **cluster).get("a", Deadline.after(0.5))
    assert set(recorder.asked) == {"CONNECT api.example:443"}
    assert not any("authorization" in headers for headers in recorder.headers)


def test_a_redirect_is_not_followed(recorder: Recorder, tmp_path: Path) -> None:
    recorder.status, recorder.location = 307, f"{recorder.url}/elsewhere"
    with pytest.raises(Rejection, match="307") as refused:
        workflows(tmp_path, server=recorder.url).get("a", Deadline.after(5))
    assert refused.value.verdict.outcome == "forbidden"
    assert recorder.asked == [f"GET {PATH}/a"]


@pytest.mark.parametrize("server", ["", "nonsense://", "https://", "http://a:b"])
def test_a_server_that_is_none(server: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cluster it: expected a server like https://") as wrong:
        workflows(tmp_path, server=server)
    assert "\n" not in str(wrong.value)


def test_a_server_that_is_silent(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cluster = workflows(tmp_path, server=f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(ApiError, match=r"not answer: it takes too long \(http://127\.0\.0\.1:\d+, context it\)\.$"):
            cluster.get("a", Deadline.after(0.3))


def test_a_patch_is_sent_in_one_tls_record(tmp_path: Path) -> None:
    records: list[bytes] = []

    def serve() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_CERTIFICATE)
        connection, _ = listener.accept()
        with context.wrap_socket(connection, server_side=True) as wrapped:
            for _ in range(2):  # on a new connection and on a kept one
                records.append(wrapped.recv(1 << 16))  # one record at most
                wrapped.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        cluster = workflows(tmp_path, **{"server": url, "certificate-authority": str(_CERTIFICATE)})
        for _ in range(2):
            cluster.patch("a", [{"op": "remove", "path": "/a"}], Deadline.after(5))
        server.join()
    assert [record.partition(b"\r\n\r\n")[2] for record in records] == [b'[{"op":"remove","path":"/a"}]'] * 2


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(b"HTTP/1.1 103 Early Hints\r\n\r\n", id="interim"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-7\r\n", id="negative-chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length 2\r\n\r\n{}", id="no-header"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\n{}", id="two-lengths"),
    ],
)
def test_an_answer_that_is_not_final_or_not_http_ends_its_connection(tmp_path: Path, odd: bytes) -> None:
    def serve() -> None:
        first, _ = listener.accept()
        with first:
            first.recv(1 << 16)
            first.sendall(odd)
            if first.recv(1 << 16):  # the next request, before the real answer to this one
                first.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"of":"a"}')
                return
        second, _ = listener.accept()
        with second:
            second.recv(1 << 16)
            second.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"of":"b"}')

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        server = threading.Thread(target=serve)
        server.start()
        api = workflows(tmp_path, server=f"http://127.0.0.1:{listener.getsockname()[1]}").api
        with pytest.raises(ApiError, match="does not answer in HTTP"):
            api.call(ApiRequest("GET", "/a"), Deadline.after(5))
        assert api.read(ApiRequest("GET", "/b"), Deadline.after(5)) == {"of": "b"}
        server.join()
