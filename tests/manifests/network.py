"""What NetworkPolicies allow, for pods and addresses of a made-up cluster. A network plugin is no part of these tests.

Source: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from tests.manifests.building import Manifest, of_kind


@dataclass(frozen=True)
class Peer:
    """A pod, or with an address something outside."""

    namespace: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    address: str = ""


def allows(manifests: list[Manifest], direction: str, pod: Peer, other: Peer, port: int, protocol: str = "TCP") -> bool:
    """Whether `pod` may receive from (`ingress`) or send to (`egress`) `other` at this port."""
    policies = [
        policy["spec"]
        for policy in of_kind(manifests, "NetworkPolicy")
        if policy["metadata"]["namespace"] == pod.namespace and _selects(policy["spec"]["podSelector"], pod.labels)
    ]
    bound = [policy for policy in policies if direction.capitalize() in policy["policyTypes"]]
    side = "from" if direction == "ingress" else "to"
    return not bound or any(
        any(_is(peer, other, pod.namespace) for peer in rule[side])
        and any((p["port"], p.get("protocol", "TCP")) == (port, protocol) for p in rule["ports"])
        for policy in bound
        for rule in policy[direction]
    )


def _is(peer: Manifest, other: Peer, here: str) -> bool:
    if "ipBlock" in peer:
        network = ipaddress.ip_network(peer["ipBlock"]["cidr"])
        return bool(other.address) and ipaddress.ip_address(other.address) in network
    if other.address:
        return False
    names = {"kubernetes.io/metadata.name": other.namespace}
    place = _selects(peer["namespaceSelector"], names) if "namespaceSelector" in peer else other.namespace == here
    return place and _selects(peer.get("podSelector", {}), other.labels)


def _selects(selector: Manifest, labels: dict[str, str]) -> bool:
    expressions = selector.get("matchExpressions", [])
    assert {expression["operator"] for expression in expressions} <= {"In"}
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(expression["key"]) in expression["values"] for expression in expressions
    )
