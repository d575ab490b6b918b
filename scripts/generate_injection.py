"""Generate the agent's container in deploy/kubernetes/inject/policy.yaml from sidecar.yaml.

The policy's expression is CEL, which types every object by its path. `--check` only compares.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[1] / "deploy" / "kubernetes"
BEGIN = '              path: "/spec/initContainers/0",\n              value: '
END = "\n            }\n          ] + object.spec.containers"
PLACE = "Object.spec.initContainers"
MAPS = {"requests", "limits"}  # objects with arbitrary keys, which CEL writes as maps
IMAGE = "nilometer-agent:0.1.0"  # image of the component, as kustomize tags it


def cel(value: Any, place: str, indent: int) -> str:
    """Return *value* at the path *place* as CEL."""
    pad, inner = " " * indent, " " * (indent + 2)
    if isinstance(value, dict):
        plain = place.rpartition(".")[2] in MAPS
        pairs = (
            (f'"{key}"' if plain else key, cel(one, f"{place}.{key}", indent + 2))
            for key, one in value.items()
        )
        body = ",\n".join(f"{inner}{key}: {text}" for key, text in pairs)
        return f"{'' if plain else place}{{\n{body}\n{pad}}}"
    if isinstance(value, list):
        body = ",\n".join(inner + cel(one, place, indent + 2) for one in value)
        return f"[\n{body}\n{pad}]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else f'"{value}"'


def main() -> int:
    """Write the policy, or with `--check` compare it."""
    component = yaml.safe_load((FOLDER / "sidecar" / "sidecar.yaml").read_text())
    (agent,) = component["spec"]["template"]["spec"]["initContainers"]
    path = FOLDER / "inject" / "policy.yaml"
    text = path.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = before + BEGIN + cel({**agent, "image": IMAGE}, PLACE, 14) + END + after
    if "--check" in sys.argv:
        if made != text:
            print(f"{path.name} differs from sidecar.yaml: run `make injection`")
            return 1
        print(f"{path.name} is up to date")
        return 0
    path.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
