"""Who we are to the API server: files that change, plugins that are slow, proxies that ask, rights that are missing."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from func.core.errors import SettingError
from func.devcluster import EmbeddedCluster, Identity
from func.kube.connection import connect
from func.kube.deadline import Deadline
from func.kube.errors import Forbidden, MissingPermission, Unauthenticated, Unavailable
from func.kube.workflows import Workflows
from tests.faults.test_slow_api import no_more_threads
from tests.kube.conftest import Recorder
from tests.payloads import REX, Request, approved, cloudevent_structured
from tests.recorded_workflows import NAMESPACE, waiting_workflow
from tests.service.site import Site, make_function

NAME = "play-task-3-workflow"
OPENED = cloudevent_structured(approved())
REFUSED = cloudevent_structured(approved(by=REX))  # without asking the API for anything


def kubeconfig(path: Path, server: str, user: dict[str, Any], context: str = "it", **cluster: object) -> Path:
    config = {
        "current-context": context,
        "contexts": [{"name": context, "context": {"cluster": "c", "user": "us"}}],
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "us", "user": user}],
    }
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


@pytest.fixture
def known(cluster: EmbeddedCluster) -> EmbeddedCluster:
    """A cluster that knows the tokens `first-token` and `second-token`, with the Workflow of task 3."""
    for token in ("first-token", "second-token"):
        cluster.tokens[token] = Identity("ops")
    Site(cluster, None).load(waiting_workflow(3))  # type: ignore[arg-type] # which needs no function
    return cluster


class TestTokenFile:
    @pytest.fixture
    def workflows(self, known: EmbeddedCluster, tmp_path: Path) -> Workflows:
        (tmp_path / "token").write_text("first-token\n", encoding="utf-8")
        # Relative to the kubeconfig, as for kubectl.
        return Workflows(connect(kubeconfig(tmp_path / "config", known.url, {"tokenFile": "token"}), 1), NAMESPACE)

    def test_a_newline_at_its_end_does_not_count(self, workflows: Workflows) -> None:
        assert workflows.get(NAME, Deadline.after(5))["metadata"]["name"] == NAME

    def test_a_token_that_is_replaced_is_read_again(
        self, workflows: Workflows, known: EmbeddedCluster, tmp_path: Path
    ) -> None:
        workflows.get(NAME, Deadline.after(5))
        del known.tokens["first-token"]
        (tmp_path / "new").write_text("second-token\n", encoding="utf-8")
        (tmp_path / "new").rename(tmp_path / "token")
        assert workflows.get(NAME, Deadline.after(5))["metadata"]["name"] == NAME

    def test_what_is_wrong_with_it_is_told_and_heals(self, workflows: Workflows, tmp_path: Path) -> None:
        file = tmp_path / "token"
        for text, words in (
            ("", "There is no token in tokenFile .*: it is empty"),
            ("two words", "is not a token: it has spaces or characters other than ASCII"),
            ("t\u00f6ken", "is not a token"),
        ):
            file.write_text(text, encoding="utf-8")
            with pytest.raises(Unauthenticated, match=words) as wrong:
                workflows.get(NAME, Deadline.after(5))
            assert wrong.value.verdict.outcome == "forbidden"
        file.unlink()
        with pytest.raises(Unauthenticated, match="cannot be read: No such file or directory"):
            workflows.get(NAME, Deadline.after(5))
        file.write_text("first-token", encoding="utf-8")
        workflows.get(NAME, Deadline.after(5))


PLUGIN = """#!{python}
import json, os, sys, time
folder = os.path.dirname(os.path.abspath(__file__))
with open(folder + "/runs", "a") as runs:
    runs.write(os.environ["KUBERNETES_EXEC_INFO"] + "\\n")
if os.path.exists(folder + "/slow"):
    time.sleep(float(open(folder + "/slow").read()))
if os.path.exists(folder + "/fails"):
    print("SSO session has expired, run: aws sso login", file=sys.stderr)
    sys.exit(255)
status = json.load(open(folder + "/status"))
print(json.dumps({{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}}))
"""


class Plugin:
    """A credential plugin, and the function that uses it."""

    def __init__(self, folder: Path, cluster: EmbeddedCluster) -> None:
        self.folder = folder
        self.cluster = cluster
        (folder / "plugin").write_text(PLUGIN.format(python=sys.executable), encoding="utf-8")
        (folder / "plugin").chmod(0o755)
        self.gives("first-token")

    def gives(self, token: str, seconds: float | None = None) -> None:
        status: dict[str, str] = {"token": token}
        if seconds is not None:
            status["expirationTimestamp"] = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        (self.folder / "status").write_text(json.dumps(status), encoding="utf-8")

    def takes(self, seconds: float) -> None:
        (self.folder / "slow").write_text(str(seconds), encoding="utf-8")

    def fails(self) -> None:
        (self.folder / "fails").touch()

    @property
    def runs(self) -> list[dict[str, Any]]:
        file = self.folder / "runs"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def kubeconfig(self, command: str = "./plugin", **more: object) -> Path:
        told = {"apiVersion": "client.authentication.k8s.io/v1", "command": command, "interactiveMode": "Never", **more}
        return kubeconfig(self.folder / "config", self.cluster.url, {"exec": told})

    def workflows(self, **more: Any) -> Workflows:  # noqa: ANN401 - as in kubeconfig
        return Workflows(connect(self.kubeconfig(**more), 4), NAMESPACE)

    def site(self) -> Site:
        function = make_function(self.cluster, self.folder)
        function._pipeline.workflows = self.workflows()
        return Site(self.cluster, function)


@pytest.fixture
def plugin(known: EmbeddedCluster, tmp_path: Path) -> Plugin:
    return Plugin(tmp_path, known)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class TestPlugin:
    def test_its_token_is_used_until_it_expires(self, plugin: Plugin) -> None:
        workflows = plugin.workflows(provideClusterInfo=True)
        for _ in range(3):
            workflows.get(NAME, Deadline.after(5))
        (run,) = plugin.runs
        assert run["kind"] == "ExecCredential"
        assert run["spec"] == {"interactive": False, "cluster": {"server": plugin.cluster.url}}

    def test_it_is_run_again_once_by_all_who_wait(self, plugin: Plugin) -> None:
        plugin.gives("first-token", seconds=0)
        workflows = plugin.workflows()
        plugin.gives("second-token")
        plugin.takes(0.5)
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda _: workflows.get(NAME, Deadline.after(20)), range(4)))
        assert {each["metadata"]["name"] for each in found} == {NAME}
        assert len(plugin.runs) == 2

    def test_before_a_token_expires_the_next_one_is_made_while_it_is_used(self, plugin: Plugin) -> None:
        plugin.gives("first-token", seconds=3600)
        workflows = plugin.workflows()
        made = workflows.api.credential._made  # type: ignore[attr-defined] # to be a while later
        object.__setattr__(made, "renew", 0.0)
        plugin.takes(5)
        started = time.monotonic()
        workflows.get(NAME, Deadline.after(20))
        assert time.monotonic() - started < 4
        until(lambda: len(plugin.runs) == 2)

    def test_a_token_that_was_revoked_is_replaced_within_the_call(self, plugin: Plugin) -> None:
        workflows = plugin.workflows()
        workflows.get(NAME, Deadline.after(5))
        made = workflows.api.credential._made  # type: ignore[attr-defined] # some time ago
        object.__setattr__(made, "made", 0.0)
        del plugin.cluster.tokens["first-token"]
        plugin.gives("second-token")
        assert workflows.get(NAME, Deadline.after(20))["metadata"]["name"] == NAME

    def test_one_that_sleeps_stops_nobody(self, plugin: Plugin) -> None:
        plugin.gives("first-token", seconds=0)
        site = plugin.site()
        plugin.takes(30)
        started = time.monotonic()

        async def timed(event: Request) -> tuple[str, float]:
            reply = await site._ask("POST", "/", event[0], [event[1]])
            return reply.reason if event is OPENED else reply.outcome, time.monotonic() - started

        async def all_at_once() -> list[tuple[str, float]]:
            return await asyncio.gather(*map(timed, [OPENED] * 24 + [REFUSED] * 8))

        said = asyncio.run(all_at_once())
        assert len(plugin.runs) == 2
        for reason, seconds in said[:24]:
            assert "The credential is being renewed by the credential plugin ./plugin" in reason
            assert seconds < 5  # the time of an event, not of a plugin, nor of several events one after the other
        for outcome, seconds in said[24:]:  # they need no API call, and do not wait for those who wait
            assert outcome == "refused"
            assert seconds < 2

    def test_one_that_fails_later_is_told_in_its_own_words_and_tried_again_in_a_while(
        self, plugin: Plugin, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("func.kube.exec_plugin._PAUSE_SECONDS", 600)
        plugin.gives("first-token", seconds=0)
        site = plugin.site()
        plugin.fails()
        reply = site.send(OPENED)
        assert reply.outcome == "unavailable"
        assert "failed with exit code 255: SSO session has expired, run: aws sso login" in reply.reason
        for _ in range(5):
            assert site.send(OPENED).reason == reply.reason
        assert len(plugin.runs) == 2
        (plugin.folder / "fails").unlink()
        plugin.gives("second-token")
        site.function._pipeline.workflows.api.credential._pause_until = 0.0  # type: ignore[attr-defined]
        assert site.send(OPENED).outcome == "opened"

    @pytest.mark.parametrize(
        ("told", "words"),
        [
            ({"command": "./none"}, r"the credential plugin \./none cannot be run: No such file or directory$"),
            ({"command": "aws-none", "installHint": "Get it at\nx"}, "No such file or directory. Get it at x$"),
            ({"command": "./fails"}, "failed with exit code 7: no such profile: dev$"),
            ({"command": "./words"}, "did not print JSON$"),
            ({"command": "./object"}, "did not print an ExecCredential with a status$"),
            ({"command": "./other"}, "printed another apiVersion than client.authentication.k8s.io/v1$"),
            ({"command": "./nothing"}, "printed neither a token nor a certificate with its key$"),
            ({"command": ""}, "user us, exec: expected a command$"),
            ({"apiVersion": "client.authentication.k8s.io/v1alpha1"}, "apiVersion is .*v1alpha1, expected one of"),
            ({"interactiveMode": "Always"}, "requires a terminal"),
        ],
    )
    def test_a_start_with_one_that_is_no_good_says_so(self, plugin: Plugin, told: dict[str, str], words: str) -> None:
        version = '"apiVersion": "client.authentication.k8s.io/v1"'
        for name, script in {
            "fails": "echo no such profile: dev >&2; exit 7",
            "words": "echo Signed in.",
            "object": "echo '{}'",
            "other": 'echo \'{"apiVersion": "v2", "status": {}}\'',
            "nothing": f"echo '{{{version}, \"status\": {{}}}}'",
        }.items():
            (plugin.folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
            (plugin.folder / name).chmod(0o755)
        with pytest.raises(SettingError, match=words) as wrong:
            plugin.workflows(**told)
        assert str(wrong.value).startswith(f"KUBECONFIG is {plugin.folder / 'config'}, ")
        assert "\n" not in str(wrong.value)

    def test_a_start_waits_for_a_slow_one_only_so_long(self, plugin: Plugin, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("func.kube.connection._PLUGIN_SECONDS", 0.3)
        plugin.takes(1.5)
        workflows = plugin.workflows()
        assert len(plugin.runs) == 1
        assert workflows.get(NAME, Deadline.after(20))["metadata"]["name"] == NAME
        assert len(plugin.runs) == 1

    def test_one_that_gets_no_thread_is_run_for_the_next_call(
        self, plugin: Plugin, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plugin.gives("first-token", seconds=0)
        workflows = plugin.workflows()
        with no_more_threads(monkeypatch, "exec-plugin"), pytest.raises(Unavailable, match="no more threads"):
            workflows.get(NAME, Deadline.after(5))
        assert workflows.get(NAME, Deadline.after(20))["metadata"]["name"] == NAME

    def test_one_that_hangs_is_ended_with_all_that_it_started(
        self, plugin: Plugin, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("func.kube.exec_plugin._RUN_SECONDS", 0.5)
        (plugin.folder / "hangs").write_text("#!/bin/sh\nsleep 61.5 & echo $! > child; wait\n", encoding="utf-8")
        (plugin.folder / "hangs").chmod(0o755)
        monkeypatch.chdir(plugin.folder)
        with pytest.raises(SettingError, match="took longer than 0 s, and was ended"):
            plugin.workflows(command="./hangs")
        child = Path("/proc") / (plugin.folder / "child").read_text().strip() / "cmdline"
        until(lambda: not child.exists() or not child.read_bytes())


class TestProxy:
    AUTHORIZATION = "Basic b3BzOnBAc3M="  # ops:p@ss

    def test_user_and_password_are_sent_to_it(self, recorder: Recorder, tmp_path: Path) -> None:
        proxy = f"http://ops:p%40ss@127.0.0.1:{recorder.server_port}"
        file = kubeconfig(tmp_path / "config", "http://api.example", {}, **{"proxy-url": proxy})
        Workflows(connect(file, 1), NAMESPACE).get("a", Deadline.after(5))
        assert recorder.headers[0]["proxy-authorization"] == self.AUTHORIZATION

    def test_a_tunnel_has_them_and_the_server_has_not(
        self, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recorder.status = 407
        monkeypatch.setenv("HTTPS_PROXY", f"http://ops:p%40ss@127.0.0.1:{recorder.server_port}")
        file = kubeconfig(tmp_path / "config", "https://api.example", {"token": "first-token"})
        with pytest.raises(Unavailable) as refused:
            Workflows(connect(file, 1), NAMESPACE).get("a", Deadline.after(0.5))
        assert refused.value.reason == (
            "The Kubernetes API does not answer: the proxy answers 407 Proxy Authentication Required "
            "(https://api.example, context it)."
        )
        assert recorder.headers[0]["proxy-authorization"] == self.AUTHORIZATION
        assert "authorization" not in recorder.headers[0]

    def test_one_that_is_not_there_is_told_as_that(self, tmp_path: Path) -> None:
        file = kubeconfig(tmp_path / "config", "https://api.example", {}, **{"proxy-url": "http://127.0.0.1:9"})
        with pytest.raises(Unavailable, match="not answer: the proxy does not answer: connection refused"):
            Workflows(connect(file, 1), NAMESPACE).get("a", Deadline.after(0.5))

    @pytest.mark.parametrize("url", ["127.0.0.1:3128", "socks5://127.0.0.1:1080", "http://a:b", "nonsense"])
    def test_one_that_is_none_stops_the_start(self, url: str, tmp_path: Path) -> None:
        file = kubeconfig(tmp_path / "config", "https://api.example", {}, **{"proxy-url": url})
        with pytest.raises(SettingError, match="the proxy of context it: expected a URL like"):
            connect(file, 1)


class TestKubeconfig:
    def test_the_first_file_of_several_goes_before_the_others(self, known: EmbeddedCluster, tmp_path: Path) -> None:
        kubeconfig(tmp_path / "a", "http://127.0.0.1:9", {}, context="nowhere")
        kubeconfig(tmp_path / "b", known.url, {}, context="here")
        (tmp_path / "c").write_text(
            yaml.safe_dump({"contexts": [{"name": "three", "context": {"cluster": "c", "user": "us"}}]}), "utf-8"
        )
        path = Path(":".join(str(tmp_path / name) for name in ("none", "c", "b", "a")))
        api = connect(path, 1)
        assert api.where == f"{known.url}, context here"
        assert connect(path, 1, "three").where == f"{known.url}, context three"
        with pytest.raises(SettingError, match=r"it has no context other; it has: here, nowhere, three$"):
            connect(path, 1, "other")

    @pytest.mark.parametrize(
        ("user", "words"),
        [
            ({"as": "admin"}, r"as \(impersonation\) is not supported"),
            ({"auth-provider": {"name": "gcp"}}, "auth-provider gcp is not supported; use a credential plugin"),
            ({"client-certificate-data": "YQ=="}, "expected client-certificate and client-key together"),
            ({"client-certificate": "none", "client-key": "none"}, "client-certificate .*/none cannot be read"),
            ({"token": "a b"}, "token is not a token|is not a token"),
            ({"token": "t0ken", "username": "ops"}, "expected a token or a username, not both"),
            ({"tokenFile": "none"}, "cannot be read: No such file or directory"),
        ],
    )
    def test_what_is_wrong_with_a_user_is_told_at_start(self, user: dict[str, Any], words: str, tmp_path: Path) -> None:
        with pytest.raises(SettingError, match=words) as wrong:
            connect(kubeconfig(tmp_path / "config", "https://10.0.0.1:6443", user), 1)
        assert "\n" not in str(wrong.value)

    def test_no_credential_is_told_as_that(self, recorder: Recorder, tmp_path: Path) -> None:
        recorder.status = 401
        with pytest.raises(Unauthenticated, match="requires a credential, and there is none"):
            Workflows(connect(kubeconfig(tmp_path / "config", recorder.url, {}), 1), NAMESPACE).get(
                "a", Deadline.after(5)
            )


class TestPermissions:
    @pytest.mark.parametrize(
        ("message", "commands"),
        [
            (
                (
                    'workflows.argoproj.io "a" is forbidden: User "system:serviceaccount:tg:fn" cannot patch resource'
                    ' "workflows" in API group "argoproj.io" in the namespace "agent-platform"'
                ),
                [
                    (
                        "create role taskgate-patch-workflows --verb=patch --resource=workflows.argoproj.io"
                        " --namespace agent-platform"
                    ),
                    (
                        "create rolebinding taskgate-patch-workflows --role=taskgate-patch-workflows"
                        " --serviceaccount=tg:fn --namespace agent-platform"
                    ),
                ],
            ),
            (
                (
                    'tokenreviews.authentication.k8s.io is forbidden: User "jane doe" cannot create resource'
                    ' "tokenreviews" in API group "authentication.k8s.io" at the cluster scope'
                ),
                [
                    (
                        "create clusterrole taskgate-create-tokenreviews --verb=create"
                        " --resource=tokenreviews.authentication.k8s.io"
                    ),
                    (
                        "create clusterrolebinding taskgate-create-tokenreviews"
                        " --clusterrole=taskgate-create-tokenreviews '--user=jane doe'"
                    ),
                ],
            ),
        ],
    )
    def test_a_missing_one_is_named_with_the_commands_that_grant_it(
        self, message: str, commands: list[str], tmp_path: Path
    ) -> None:
        api = connect(kubeconfig(tmp_path / "config", "http://10.0.0.1:6443", {}, context="prod"), 1)
        body = json.dumps({"kind": "Status", "message": message}).encode()
        with pytest.raises(MissingPermission) as missing:
            api.check(403, body, {}, writes=True)
        first, second = (f"kubectl --context prod {command}" for command in commands)
        assert missing.value.reason.endswith(f"apply your overlay again, or grant it alone with: {first} && {second} .")
        assert "(http://10.0.0.1:6443, context prod)" in missing.value.reason
        assert missing.value.verdict.code == "api-missing-permission"

    @pytest.mark.parametrize(
        ("user", "words"),
        [
            ({}, "requires a credential, and there is none"),
            ({"token": "t0ken"}, r"does not accept our credential \(its token\)"),
        ],
    )
    def test_nobody_is_told_to_permit_something_to_everybody(
        self, user: dict[str, Any], words: str, tmp_path: Path
    ) -> None:
        api = connect(kubeconfig(tmp_path / "config", "http://10.0.0.1:6443", user), 1)
        message = 'secrets is forbidden: User "system:anonymous" cannot list resource "secrets" at the cluster scope'
        with pytest.raises(Unauthenticated, match=words) as refused:
            api.check(403, json.dumps({"message": message}).encode(), {}, writes=False)
        assert "kubectl create" not in refused.value.reason
        assert refused.value.verdict.code == "api-unauthenticated"

    def test_what_a_policy_refuses_is_no_missing_permission(self, tmp_path: Path) -> None:
        api = connect(kubeconfig(tmp_path / "config", "http://10.0.0.1:6443", {}), 1)
        message = "ValidatingAdmissionPolicy 'taskgate' with binding 'taskgate' denied request: only gates."
        with pytest.raises(Forbidden, match="refuses the request: ValidatingAdmissionPolicy") as refused:
            api.check(403, json.dumps({"message": message}).encode(), {}, writes=True)
        assert refused.value.verdict.code == "api-forbidden"


def test_a_program_is_run_without_a_shell(plugin: Plugin) -> None:
    with pytest.raises(SettingError, match="No such file"):
        plugin.workflows(command="true; touch $HOME/x")


def test_commands_take_kubectls_kubeconfig_and_a_context(known: EmbeddedCluster, tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    kubeconfig(tmp_path / ".kube" / "config", "http://127.0.0.1:9", {}, context="nowhere")
    text = yaml.safe_load((tmp_path / ".kube" / "config").read_text())
    text["clusters"].append({"name": "known", "cluster": {"server": known.url}})
    text["contexts"].append({"name": "here", "context": {"cluster": "known"}})
    (tmp_path / ".kube" / "config").write_text(yaml.safe_dump(text))

    def waiting(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "func", "waiting", *arguments]
        environment = {"HOME": str(tmp_path), "PATH": ""}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    nowhere = waiting()
    assert nowhere.returncode == 1
    assert nowhere.stderr == (
        "Error: The Kubernetes API does not answer: connection refused (http://127.0.0.1:9, context nowhere).\n"
    )
    assert NAME in waiting("--context", "here").stdout
    wrong = waiting("--context", "there")
    assert wrong.stderr == (
        f"Error: KUBECONFIG is {tmp_path}/.kube/config: it has no context there; it has: here, nowhere\n"
    )
