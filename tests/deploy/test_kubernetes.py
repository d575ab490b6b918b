"""The manifests: valid for every version of Kubernetes from 1.29 on, and safe as they say."""

import copy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate.utils import all_versions, major_minor

from nilometer.settings.settings import checked
from nilometer_agent.cli import add_options
from nilometer_agent.settings import AgentSettings
from nilometer_collector.settings import CollectorSettings

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
VERSIONS = sorted(
    {major_minor(v) for v in all_versions() if int(v.split(".")[1]) >= 29},
    key=lambda v: int(v.split(".")[1]),
)
NOT_OURS = {"Component", "Kustomization", "InferenceService"}  # no part of Kubernetes' own schema


def documents(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(folder.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            yield path, document


def merged(base: Any, patch: Any) -> Any:
    """A strategic merge: maps by key, lists of named things by name, other lists replaced."""
    if isinstance(base, dict) and isinstance(patch, dict):
        out = {**base}
        for key, value in patch.items():
            out[key] = merged(base[key], value) if key in base else copy.deepcopy(value)
        return out
    if isinstance(base, list) and isinstance(patch, list) and all("name" in p for p in patch):
        by_name = {one["name"]: one for one in base}
        for one in patch:
            by_name[one["name"]] = merged(by_name.get(one["name"], {}), one)
        return list(by_name.values())
    return copy.deepcopy(patch)


def watched() -> dict[str, Any]:
    """The example's Deployment with the component applied."""
    base = yaml.safe_load((FOLDER / "example" / "deployment.yaml").read_text())
    patch = yaml.safe_load((FOLDER / "sidecar" / "sidecar.yaml").read_text())
    del patch["metadata"]
    made = merged(base, patch)
    assert isinstance(made, dict)
    return made


def pod_specs() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "example", watched()["spec"]["template"]["spec"]
    for path, document in documents(FOLDER / "collector"):
        if document["kind"] == "Deployment":
            yield path.name, document["spec"]["template"]["spec"]
    kserve = yaml.safe_load((FOLDER / "kserve" / "inferenceservice.yaml").read_text())
    yield "kserve", kserve["spec"]["predictor"]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid(version: str) -> None:
    checked_ones = 0
    for path, document in documents(FOLDER):
        if (
            document["kind"] in NOT_OURS
            or path.parent.name in {"inject", "sidecar"}
            or path.name == "access.yaml"
        ):
            continue
        kubernetes_validate.validate(document, version, strict=True)
        checked_ones += 1
    assert checked_ones >= 9
    kubernetes_validate.validate(watched(), version, strict=True)


def guarded(which: str) -> dict[str, Any]:
    """The Deployment of the collector, or of the example, with Secrets for token and TLS."""
    patch = yaml.safe_load((FOLDER / "access" / which / "access.yaml").read_text())
    base = watched()
    if which == "collector":
        base = yaml.safe_load((FOLDER / "collector" / "deployment.yaml").read_text())
    del patch["metadata"]
    made = merged(base, patch)
    assert isinstance(made, dict)
    return made


@pytest.mark.parametrize(
    ("which", "ours", "known"),
    [
        ("collector", "NILOMETER_COLLECTOR_", CollectorSettings),
        ("sidecar", "NILOMETER_AGENT_", AgentSettings),
    ],
)
def test_secrets_are_files_that_only_the_group_of_the_pod_reads(
    which: str, ours: str, known: type[AgentSettings] | type[CollectorSettings]
) -> None:
    made = guarded(which)
    for version in VERSIONS:
        kubernetes_validate.validate(made, version, strict=True)
    spec = made["spec"]["template"]["spec"]
    (container,) = [
        one
        for one in [*spec.get("initContainers", ()), *spec["containers"]]
        if one["name"] in {"collector", "nilometer"}
    ]
    mounts = {one["mountPath"]: one for one in container["volumeMounts"]}
    secrets = {one["name"]: one["secret"] for one in spec["volumes"] if "secret" in one}
    told = {one["name"]: one.get("value", "") for one in container["env"]}
    for name, value in told.items():
        if not name.startswith(ours):
            continue
        assert name.removeprefix(ours).lower() in known.__struct_fields__, name
        if value.startswith("/etc/"):
            mount = mounts[value.rpartition("/")[0]]
            assert mount["readOnly"]
            assert secrets[mount["name"]]["defaultMode"] == 0o440
    assert any("/etc/nilometer-" in value for value in told.values())


def test_native_sidecars_begin_with_the_oldest_version_that_is_promised() -> None:
    assert VERSIONS[0] == "1.29"
    assert len(VERSIONS) >= 5
    (agent,) = watched()["spec"]["template"]["spec"]["initContainers"]
    assert agent["restartPolicy"] == "Always"
    broken = watched()
    broken["spec"]["template"]["spec"]["initContainers"][0]["restartPolicie"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.29", strict=True)


def test_the_injection_policy_is_valid_where_it_exists() -> None:
    valid = set()
    for _, document in documents(FOLDER / "inject"):
        if document["kind"] == "Kustomization":
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.SchemaNotFoundError:
                continue
            valid.add((document["kind"], version))
    newest = VERSIONS[-1]
    assert ("MutatingAdmissionPolicy", newest) in valid
    assert ("MutatingAdmissionPolicyBinding", newest) in valid


def test_every_container_is_closed() -> None:
    for name, spec in pod_specs():
        assert spec["securityContext"]["runAsNonRoot"], name
        ours = [*spec.get("initContainers", ()), *spec["containers"]]
        for container in ours:
            if container["name"] in {"server", "kserve-container"}:
                continue  # the user's
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"], (name, container["name"])
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]


def test_server_and_agent_share_one_socket() -> None:
    spec = dict(pod_specs())["example"]
    (agent,) = spec["initContainers"]
    server = spec["containers"][0]
    mounts = [
        {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        for container in (agent, server)
    ]
    assert mounts[0] == mounts[1] == {"nilometer": "/var/run/nilometer"}
    told = {one["name"]: one.get("value") for one in server["env"]}
    settings = options(agent["args"])
    assert told["NILOMETER_AGENT"] == f"unix:{settings.socket_path}"


def test_the_outbox_stays_below_the_limit_of_its_volume() -> None:
    for name in ("example", "kserve"):
        spec = dict(pod_specs())[name]
        settings = options(spec["initContainers"][0]["args"])
        (volume,) = spec["volumes"]
        limit = int(volume["emptyDir"]["sizeLimit"].removesuffix("Mi")) << 20
        # Over the limit the kubelet evicts the pod: the cap of the outbox stays well below.
        assert settings.max_outbox_bytes * 2 <= limit


def options(arguments: list[str]) -> AgentSettings:
    """The settings that the arguments of a manifest make."""
    import argparse

    parser = argparse.ArgumentParser()
    add_options(parser)
    assert arguments[0] == "agent"
    given = vars(parser.parse_args(arguments[1:]))
    given.pop("config")
    return checked(AgentSettings, {k: v for k, v in given.items() if v is not None})


def test_a_pod_starts_and_serves_whether_it_is_watched_or_not() -> None:
    for name in ("example", "kserve"):
        (agent,) = dict(pod_specs())[name]["initContainers"]
        assert "startupProbe" not in agent
        assert "readinessProbe" not in agent
    spec = watched()["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] > 30 + 3 + 3  # close, ship, export
    policy = next(d for p, d in documents(FOLDER / "inject") if p.name == "policy.yaml")
    assert policy["spec"]["failurePolicy"] == "Ignore"


def test_the_injected_agent_is_the_one_of_the_component() -> None:
    script = FOLDER.parents[1] / "scripts" / "generate_injection.py"
    done = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    for path in ("sidecar", "inject", "example"):
        text = "".join(p.read_text() for p in (FOLDER / path).glob("*.yaml"))
        assert "sidecar.nilometer.dev/inject" in text


def test_the_agent_of_kserve_is_the_one_of_the_component_and_takes_the_loggers_events() -> None:
    (component,) = watched()["spec"]["template"]["spec"]["initContainers"]
    kserve = yaml.safe_load((FOLDER / "kserve" / "inferenceservice.yaml").read_text())
    (agent,) = kserve["spec"]["predictor"]["initContainers"]
    settings = options(agent["args"])
    more = [one for one in agent["args"] if one not in component["args"]]
    assert more == [f"--events-address={settings.events_address}"]
    logger = kserve["spec"]["predictor"]["logger"]
    assert logger == {"mode": "all", "url": f"http://{settings.events_address}/"}
    assert settings.events_address.endswith(":9085")
    same = {**agent, "args": component["args"], "image": component["image"]}
    assert same == component


def test_services_of_a_namespace_are_no_settings() -> None:
    for name, spec in pod_specs():
        assert spec["enableServiceLinks"] is False, name
    triton = next(d for p, d in documents(FOLDER / "triton") if d["kind"] == "Deployment")
    assert triton["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_policies_let_every_agent_reach_the_collector() -> None:
    """By the pod's port and the pods' labels, as network plugins see them."""
    policy = yaml.safe_load((FOLDER / "collector" / "networkpolicy.yaml").read_text())["spec"]
    admitted = [
        (peer["podSelector"]["matchLabels"], rule["ports"][0]["port"])
        for rule in policy["ingress"]
        for peer in rule["from"]
        if "podSelector" in peer
    ]
    ((labels, port),) = [one for one in admitted if "nilometer.dev/agent" in one[0]]
    front = dict(pod_specs())["deployment.yaml"]["containers"][1]
    assert port in {each["containerPort"] for each in front["ports"] if each["name"] == "grpc"}
    example = yaml.safe_load((FOLDER / "example" / "networkpolicy.yaml").read_text())["spec"]
    ships = [
        each["port"]
        for rule in example["egress"]
        for peer in rule["to"]
        if "nilometer-collector" in str(peer)
        for each in rule["ports"]
    ]
    assert ships == [port]
    pods = {
        "example": watched()["spec"]["template"]["metadata"]["labels"],
        "triton": next(d for _, d in documents(FOLDER / "triton") if d["kind"] == "Deployment")[
            "spec"
        ]["template"]["metadata"]["labels"],
        "kserve": yaml.safe_load((FOLDER / "kserve" / "inferenceservice.yaml").read_text())["spec"][
            "predictor"
        ]["labels"],
    }
    for name, here in pods.items():
        assert labels.items() <= here.items(), name
    # What the policy closes is the example's own pods, not everybody who is watched.
    selector = example["podSelector"]["matchLabels"]
    assert selector.items() <= pods["example"].items()
    assert not selector.items() <= pods["triton"].items()


def test_the_component_leaves_the_servers_annotations_alone() -> None:
    patch = yaml.safe_load((FOLDER / "sidecar" / "sidecar.yaml").read_text())
    template = patch["spec"]["template"]
    assert set(template["metadata"]) == {"labels"}
    assert "terminationGracePeriodSeconds" not in template["spec"]  # the server's own need


def test_the_injection_patches_what_may_be_patched() -> None:
    """The API server refuses an ApplyConfiguration with atomic lists, and then injects nothing."""
    policy = next(d for p, d in documents(FOLDER / "inject") if p.name == "policy.yaml")
    (mutation,) = policy["spec"]["mutations"]
    assert mutation["patchType"] == "JSONPatch"
    expression = mutation["jsonPatch"]["expression"]
    for opened, closed in ("()", "[]", "{}"):
        assert expression.count(opened) == expression.count(closed)
    assert "AGENT" not in expression.split()
    for path in (
        "/metadata/labels",
        "/spec/volumes",
        "/spec/initContainers",
        "/env",
        "/volumeMounts",
    ):
        assert f'{path}"' in expression  # made where it is not there


def test_the_collectors_configuration_is_one() -> None:
    (configuration,) = [d for _, d in documents(FOLDER / "collector") if d["kind"] == "ConfigMap"]
    raw = yaml.safe_load(configuration["data"]["collector.yaml"])
    settings = checked(CollectorSettings, raw)
    deployment = dict(pod_specs())["deployment.yaml"]
    collector = deployment["containers"][0]
    ports = {port["containerPort"] for port in collector["ports"]}
    assert {int(settings.metrics_address.rpartition(":")[2])} == ports
    front = configuration["data"]["front.conf"]
    assert settings.http_address in front
    assert settings.grpc_address in front
    mounts = {mount["name"]: mount["mountPath"] for mount in collector["volumeMounts"]}
    assert settings.database.startswith(mounts["data"] + "/")


def test_kustomize_names_only_files_that_exist() -> None:
    for path, document in documents(FOLDER):
        if path.name != "kustomization.yaml":
            continue
        named = [*document.get("resources", ()), *document.get("components", ())]
        named += [patch["path"] for patch in document.get("patches", ()) if "path" in patch]
        for name in named:
            assert (path.parent / name).exists(), (path, name)


def test_kustomize_itself_builds_the_same(tmp_path: Path) -> None:
    kustomize = shutil.which("kustomize")
    if kustomize is None:
        pytest.skip("kustomize is not installed (scripts/install_ci.sh builds it with Go)")
    for name in ("example", "collector", "inject"):
        finished = subprocess.run(
            [kustomize, "build", str(FOLDER / name)], capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, finished.stderr
        built = list(yaml.safe_load_all(finished.stdout))
        if name == "example":
            (deployment,) = [one for one in built if one["kind"] == "Deployment"]
            (agent,) = deployment["spec"]["template"]["spec"]["initContainers"]
            assert agent["image"] == "nilometer-agent:0.1.0"
            kubernetes_validate.validate(deployment, VERSIONS[0], strict=True)
            ours = watched()["spec"]["template"]["spec"]
            theirs = deployment["spec"]["template"]["spec"]
            agent["image"] = "nilometer-agent"
            assert theirs == ours


def test_collectors_of_the_postgresql_component_share_a_database_and_no_volume(
    tmp_path: Path,
) -> None:
    kustomize, kubectl = shutil.which("kustomize"), shutil.which("kubectl")
    if kustomize is None and kubectl is None:
        pytest.skip("kustomize is not installed (scripts/install_ci.sh builds it with Go)")
    command = [kustomize, "build"] if kustomize else [str(kubectl), "kustomize"]
    shutil.copytree(FOLDER, tmp_path / "kubernetes")
    (tmp_path / "kustomization.yaml").write_text(
        "resources: [kubernetes/collector]\ncomponents: [kubernetes/postgresql]\n"
    )
    finished = subprocess.run(
        [*command, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    built = {one["kind"]: one for one in yaml.safe_load_all(finished.stdout)}
    assert "PersistentVolumeClaim" not in built
    assert {one["metadata"].get("namespace", "nilometer") for one in built.values()} == {
        "nilometer"
    }
    for kind in ("Deployment", "PodDisruptionBudget", "NetworkPolicy", "Service"):
        kubernetes_validate.validate(built[kind], VERSIONS[0], strict=True)
    deployment = built["Deployment"]["spec"]
    assert deployment["replicas"] == 3
    pod = deployment["template"]["spec"]
    collector = next(one for one in pod["containers"] if one["name"] == "collector")
    assert "NILOMETER_COLLECTOR_STORE" in {one["name"] for one in collector["env"]}
    mounted = {mount["name"] for one in pod["containers"] for mount in one["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
    told = yaml.safe_load(built["ConfigMap"]["data"]["collector.yaml"])
    settings = checked(CollectorSettings, {**told, "store": "postgresql://nilometer@db/nilometer"})
    assert "postgresql" in repr(settings)
