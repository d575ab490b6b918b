"""Moves the traffic of a KServe InferenceService back to its previous revision, when a collector orders it.

Sources: KServe, "Canary Rollout Strategy": with ``canaryTrafficPercent: 0``, all traffic goes to the
revision that was rolled out before. Kubernetes, "Accessing the API from within a Pod".
"""

import json
import os
import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nilometer.receive import Order, Receiver, server_of

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
ROLLBACKS = {"rollback", "fall_back"}
API_SECONDS = 4.0  # the collector waits for 5 s


class CannotRollBack(Exception):
    """There is no revision to go back to, or the order is for something else."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The API of Kubernetes.

    Attributes:
        url: URL of the API server.
        token_path: File of the token, which Kubernetes renews.
        certificates: File of the CA of the API server; None for plain HTTP in tests.
    """

    url: str
    token_path: Path
    certificates: Path | None = None

    def call(self, method: str, path: str, patch: Mapping[str, object] | None = None) -> Any:
        """Return the JSON of a response.

        Raises:
            OSError: If the API server does not answer, or refuses.
        """
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("authorization", f"Bearer {self.token_path.read_text().strip()}")
        request.add_header("accept", "application/json")
        if patch is not None:
            request.data = json.dumps(patch).encode()
            request.add_header("content-type", "application/merge-patch+json")
        trusted = (
            ssl.create_default_context(cafile=str(self.certificates)) if self.certificates else None
        )
        with urllib.request.urlopen(request, timeout=API_SECONDS, context=trusted) as response:
            return json.load(response)


def roll_back(order: Order, cluster: Cluster, services: frozenset[str]) -> None:
    """Move all traffic to the revision that was rolled out before.

    Args:
        order: Order whose ``kserve`` names the InferenceService.
        cluster: API of Kubernetes.
        services: InferenceServices that may be changed, as ``namespace/name``.

    Raises:
        CannotRollBack: If there is nothing to go back to, or the service may not be changed.
    """
    place = order.content["kserve"]
    name = f"{place['namespace']}/{place['inference_service']}"
    if name not in services:
        raise CannotRollBack(f"{name} is not in SERVICES")
    if order.content["cure"] not in ROLLBACKS:
        raise CannotRollBack(f"the cure is {order.content['cure']}, not a rollback")
    namespace, service = name.split("/")
    path = f"/apis/serving.kserve.io/v1beta1/namespaces/{namespace}/inferenceservices/{service}"
    found = cluster.call("GET", path)
    known = found.get("status", {}).get("components", {}).get("predictor", {})
    latest = known.get("latestReadyRevision") or known.get("latestCreatedRevision")
    stable = [
        known.get(field)
        for field in ("latestRolledoutRevision", "previousRolledoutRevision")
        if known.get(field) and known.get(field) != latest
    ]
    if not stable:
        raise CannotRollBack(f"{name} has no earlier revision")
    cluster.call("PATCH", path, {"spec": {"predictor": {"canaryTrafficPercent": 0}}})
    print(f"{name}: all traffic goes to {stable[0]}, ordered by run {order.content['run']}")


def main() -> None:
    """Serve until the pod ends."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    cluster = Cluster(
        url=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        token_path=ACCOUNT / "token",
        certificates=ACCOUNT / "ca.crt",
    )
    services = frozenset(os.environ["SERVICES"].split(","))
    key = Path(os.environ["SIGNING_KEY_FILE"]).read_text().strip()
    receiver = Receiver(key, Path(os.environ.get("ORDERS", "/var/lib/orders")))
    server = server_of(receiver, lambda order: roll_back(order, cluster, services), ("", 8080))
    server.serve_forever()


if __name__ == "__main__":
    main()
