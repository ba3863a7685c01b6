"""The two questions that clients ask the API server about rights and identities.

Source: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/ and
https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/self-subject-access-review-v1/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from func.devcluster.documents import Document


@dataclass(frozen=True)
class Identity:
    """Whom a token stands for.

    Args:
        username: For instance `system:serviceaccount:knative-eventing:broker-filter`.
        audiences: Whom the token is for; empty means the API server itself only.

    """

    username: str
    uid: str = ""
    groups: tuple[str, ...] = ("system:authenticated",)
    audiences: tuple[str, ...] = ()


def token_review(review: Document, tokens: Mapping[str, Identity]) -> Document:
    """The answer to a TokenReview.

    Args:
        review: The object that was sent.
        tokens: All tokens that are known.

    """
    spec = _spec(review)
    identity = tokens.get(str(spec.get("token", "")))
    asked = [str(audience) for audience in spec.get("audiences") or []]
    fitting = [audience for audience in asked if identity and audience in identity.audiences]
    status: Document
    if identity is None or (asked and not fitting) or (not asked and identity.audiences):
        error = "invalid bearer token" if identity is None else "token audiences do not fit"
        status = {"authenticated": False, "user": {}, "error": error}
    else:
        user = {"username": identity.username, "uid": identity.uid, "groups": list(identity.groups)}
        status = {"authenticated": True, "user": user} | ({"audiences": fitting} if fitting else {})
    return _answer(review, "authentication.k8s.io/v1", "TokenReview", status)


def access_review(review: Document) -> Document:
    """The answer to a SelfSubjectAccessReview: everybody may do everything here."""
    return _answer(review, "authorization.k8s.io/v1", "SelfSubjectAccessReview", {"allowed": True})


def _spec(review: Document) -> Document:
    spec = review.get("spec")
    return spec if isinstance(spec, dict) else {}


def _answer(review: Document, version: str, kind: str, status: Document) -> Document:
    return {"kind": kind, "apiVersion": version, "metadata": {}, "spec": _spec(review), "status": status}
