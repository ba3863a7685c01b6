"""TokenReviews: whom a bearer token belongs to."""

from __future__ import annotations

import json
from dataclasses import dataclass

from func.kube.client import Api, ApiRequest
from func.kube.deadline import Deadline

_TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path


@dataclass(slots=True)
class TokenReviews:
    """Asks the API server whom a token belongs to.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/
    """

    api: Api

    def username(self, token: str, audience: str, deadline: Deadline) -> str | None:
        """Return the user of a token; None when it is not valid for this audience.

        Raises:
            ApiError: Forbidden or Unavailable.
        """
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [audience]},
        }
        request = ApiRequest("POST", _TOKEN_REVIEWS, body=json.dumps(review).encode())
        status = self.api.read(request, deadline).get("status")
        if not isinstance(status, dict) or status.get("authenticated") is not True:
            return None
        if audience not in (status.get("audiences") or ()):
            return None  # an API server that does not support audiences did not check this one
        user = status.get("user")
        name = user.get("username") if isinstance(user, dict) else None
        return name if isinstance(name, str) else None
