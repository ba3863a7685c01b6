"""Kubernetes Events about Workflows that were written to, for `kubectl describe` and `kubectl get events`.

Source: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from func.core.outcomes import Answer, Outcome, WorkflowRef
from func.core.reasons import Rejection
from func.kube.client import Api, ApiRequest, words_of
from func.kube.deadline import Deadline
from func.telemetry.log import log_line

_EVENTS = "/apis/events.k8s.io/v1/namespaces/{namespace}/events"
_SECONDS = 0.5  # of the event's time
_NOTE_BYTES = 1024
_NAME_LENGTH = 200  # of a Workflow's name, so that the Event's is no longer than 253
# Outcome -> reason and action of the Kubernetes Event.
_REASONS: Mapping[Outcome, tuple[str, str]] = {
    "opened": ("GateOpened", "Open"),
    "failed": ("GateFailed", "Fail"),
    "parked": ("SignalParked", "Park"),
    "withdrawn": ("SignalRevoked", "Revoke"),
}


@dataclass(slots=True)
class EventRecorder:
    """Writes Kubernetes Events about Workflows.

    Args:
        instance: the name of this pod.
    """

    api: Api
    instance: str = field(default_factory=lambda: os.environ.get("HOSTNAME", "")[:128] or "taskgate")

    def record(self, answer: Answer, deadline: Deadline) -> None:
        """Write a Kubernetes Event about a Workflow that was written to; a failure does not change the answer."""
        reason = _REASONS.get(answer.outcome)
        workflow = answer.workflow
        if reason is None or workflow is None or not answer.written:
            return
        names = {"namespace": workflow.namespace}
        try:
            body = json.dumps(event_of(workflow, answer.reason, *reason, self.instance)).encode()
            request = ApiRequest("POST", _EVENTS, names, body=body)
            status, content, _ = self.api.call(request, deadline, _SECONDS)
            problem = "" if status < 300 else words_of(content) or f"status {status}"
        except Rejection as rejection:
            problem = str(rejection)
        except Exception as error:  # the gate is open, and the answer must say so
            problem = type(error).__name__
        if problem:
            told = {
                "cloudevents.event_id": answer.event.id if answer.event else "",
                "k8s.namespace.name": workflow.namespace,
                "taskgate.workflow.name": workflow.name,
            }
            log_line("WARN", f"The Kubernetes Event {reason[0]} could not be written: {problem}", told)


def event_of(workflow: WorkflowRef, note: str, reason: str, action: str, instance: str) -> dict[str, object]:
    """Return a Kubernetes Event about a Workflow.

    Args:
        workflow: that it is about.
        note: for a person; shortened where it is too long for an Event.
        reason: a word for what happened.
        action: a word for what was done.
        instance: the name of this pod.
    """
    name = workflow.name[:_NAME_LENGTH].rstrip("-.")
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{uuid.uuid4().hex[:16]}", "namespace": workflow.namespace},
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": "Normal",
        "reason": reason,
        "action": action,
        "note": note.encode()[:_NOTE_BYTES].decode(errors="ignore"),
        "regarding": {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "namespace": workflow.namespace,
            "name": workflow.name,
            "uid": workflow.uid,
        },
        "reportingController": "taskgate",
        "reportingInstance": instance,
    }
