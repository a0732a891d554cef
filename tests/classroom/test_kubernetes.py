"""A class on Kubernetes: our values, the pod that KubeSpawner makes of them, and what the cluster gets beside."""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from chart_options import at, complaints, spawner_config
from jupyterhub.objects import Hub
from kubernetes_asyncio.client import ApiClient
from kubespawner import KubeSpawner

from lab.classroom.settings import Settings
from lab.config import ROOT

HERE = ROOT / "lab" / "classroom" / "kubernetes"
VERSIONS = ("1.33", "1.37")
"""The oldest Kubernetes that has user namespaces without being asked, and the newest whose schema there is."""
MIB = 1 << 20
Manifest = dict[str, Any]


class User:
    """As much of a JupyterHub user as a spawner looks at."""

    name = escaped_name = "ada"
    id = 1
    url = base_url = "/user/ada/"
    host = ""


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """KubeSpawner looks for a cluster when it is made, and asks none here."""
    monkeypatch.setattr("kubespawner.spawner.load_config", lambda **_: None)


@pytest.fixture
def values() -> Manifest:
    """Our values, to be changed at will."""
    return load(HERE / "values.yaml")[0]


def load(path: Path) -> list[Manifest]:
    """All documents of a YAML file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def manifests(values: Manifest) -> tuple[Manifest, Manifest]:
    """Pod and claim that KubeSpawner would ask the cluster for."""

    async def make() -> tuple[Manifest, Manifest]:
        spawner = KubeSpawner(
            config=spawner_config(values), _mock=True, user=User(), hub=Hub(), namespace="lab-class"
        )
        async with ApiClient() as client:
            pod = client.sanitize_for_serialization(await spawner.get_pod_manifest())
            return pod, client.sanitize_for_serialization(spawner.get_pvc_manifest())

    return asyncio.run(make())


def container(pod: Manifest, name: str) -> Manifest:
    """One container of a pod."""
    return next(each for each in pod["spec"]["containers"] if each["name"] == name)


def refused(manifest: Manifest) -> str | None:
    """What the schema of Kubernetes says against a manifest."""
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            return f"{version}: {error.message}"
    return None


def test_chart_takes_our_values(values: Manifest) -> None:
    """Every option exists, and has the type that the chart wants."""
    assert complaints(values) == []


@pytest.mark.parametrize(
    ("path", "wrong", "said"),
    [
        ("singleuser.memory.limits", "1G", "no such option"),
        ("singleuser.networkPolicy.egressAllowRules.nonPrivateIp", False, "no such option"),
        ("singleuser.startTimeout", "300", "is a str"),
        ("cull.enabled", 1, "is a int"),
        ("singleuser.storage.type", "ephemeral", "is none of"),
        ("singleuser.image", {"name": "x"}, "tag is missing"),
    ],
)
def test_wrong_value_is_noticed(values: Manifest, path: str, wrong: object, said: str) -> None:
    """A misspelt option, a wrong type and a missing part are each found, and nothing else is."""
    parent, _, key = path.rpartition(".")
    at(values, parent)[key] = wrong
    found = complaints(values)
    assert len(found) == 1 and said in found[0]


def test_kubernetes_takes_the_pod_and_its_claim(values: Manifest) -> None:
    """What KubeSpawner makes of our values is valid for the oldest and the newest Kubernetes."""
    assert [refused(manifest) for manifest in manifests(values)] == [None, None]


@pytest.mark.parametrize(
    "break_it",
    [
        lambda machine, pod: machine["securityContext"].update(procMount=True),
        lambda machine, pod: machine["volumeMounts"][0].pop("mountPath"),
        lambda machine, pod: machine.update(resource={}),
        lambda machine, pod: pod.update(hostUser=False),
    ],
)
def test_wrong_pod_is_noticed(
    values: Manifest, break_it: Callable[[Manifest, Manifest], object]
) -> None:
    """A wrong type, a missing field and misspelt ones are found in the pod that is made of them."""
    single = values["singleuser"]
    break_it(single["extraContainers"][0], single["extraPodConfig"])
    try:
        pod = manifests(values)[0]
    except ValueError as error:  # KubeSpawner itself knows no such field
        assert "did not have an attribute" in str(error)
    else:
        assert refused(pod)


def test_kubernetes_takes_what_the_cluster_gets() -> None:
    """Each manifest of cluster.yaml is valid, and one with a misspelt field is not."""
    documents = load(HERE / "cluster.yaml")
    assert [refused(each) for each in documents] == [None] * len(documents)
    for each in documents:
        broken = copy.deepcopy(each)
        broken["metadata"]["label"] = {}
        assert refused(broken)


def test_machine_is_root_only_in_a_user_namespace(values: Manifest) -> None:
    """The pod has its own, nothing is privileged, nothing of the node is seen, and the cluster insists on it."""
    pod = manifests(values)[0]
    assert pod["spec"]["hostUsers"] is False
    assert not any(volume.get("hostPath") for volume in pod["spec"]["volumes"])
    for each in pod["spec"]["containers"]:
        assert not each["securityContext"].get("privileged")
    policy = of_kind("ValidatingAdmissionPolicy")
    assert "hostUsers == false" in policy["spec"]["validations"][0]["expression"]
    binding = of_kind("ValidatingAdmissionPolicyBinding")
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]
    assert binding["spec"]["validationActions"] == ["Deny"]


def test_notebook_has_no_rights(values: Manifest) -> None:
    """A trainee's JupyterLab is an ordinary user that cannot become another, with no token of the cluster."""
    pod = manifests(values)[0]
    context = container(pod, "notebook")["securityContext"]
    assert context["runAsUser"] == 1000
    assert context["allowPrivilegeEscalation"] is False
    assert "capabilities" not in context
    assert pod["spec"]["automountServiceAccountToken"] is False


def test_both_sides_share_the_socket_and_nothing_else(values: Manifest) -> None:
    """`lab` finds the keeper's socket where LAB_BROKER says; of the claim each side has its own part."""
    pod = manifests(values)[0]
    notebook, machine = (container(pod, name) for name in ("notebook", "machine"))
    seen = {
        name: {(m["name"], m.get("subPath")): m["mountPath"] for m in side["volumeMounts"]}
        for name, side in (("notebook", notebook), ("machine", machine))
    }
    assert seen["notebook"].keys() & seen["machine"].keys() == {("shared", None)}
    keeper = (HERE / "keeper.py").read_text()
    assert f'SHARED = Path("{seen["machine"]["shared", None]}")' in keeper
    assert f'DISK = Path("{seen["machine"]["trainee", "machine"]}")' in keeper
    environment = {each["name"]: each.get("value") for each in notebook["env"]}
    assert environment["LAB_BROKER"] == f"{seen['notebook']['shared', None]}/broker.sock"
    assert environment["LAB_HOME"].startswith(seen["notebook"]["trainee", "home"])


def test_claim_is_the_trainees_own(values: Manifest) -> None:
    """The claim has the trainee's name, the pod uses that claim, and the cluster allows its size."""
    pod, claim = manifests(values)
    assert claim["metadata"]["name"] == "claim-ada"
    used = [volume.get("persistentVolumeClaim") for volume in pod["spec"]["volumes"]]
    assert {"claimName": "claim-ada"} in used
    most = of_kind("LimitRange")["spec"]["limits"][1]["max"]["storage"]
    assert bytes_of(claim["spec"]["resources"]["requests"]["storage"]) <= bytes_of(most)
    assert claim["spec"]["storageClassName"] == of_kind("StorageClass")["metadata"]["name"]


def test_sizes_are_those_of_one_host(values: Manifest) -> None:
    """A trainee has what one has in a class on one host; the quota has room for thirty and the instructor."""
    pod, claim = manifests(values)
    settings = Settings(trainees=())
    limits = {name: container(pod, name)["resources"]["limits"] for name in ("notebook", "machine")}
    for name, share in (("notebook", settings.sandbox), ("machine", settings.machine)):
        assert bytes_of(limits[name]["memory"]) >= share.memory * MIB * 0.95
        assert float(limits[name]["cpu"]) == share.cpus
    kept = settings.machine.disk + settings.sandbox.disk
    assert bytes_of(claim["spec"]["resources"]["requests"]["storage"]) >= kept * MIB
    hard = of_kind("ResourceQuota")["spec"]["hard"]
    together = sum(bytes_of(each["memory"]) for each in limits.values())
    assert bytes_of(hard["limits.memory"]) >= 31 * together
    assert bytes_of(hard["requests.storage"]) >= 31 * bytes_of("4Gi")
    assert int(hard["persistentvolumeclaims"]) >= 31


def test_nothing_is_reached_from_a_trainees_pod(values: Manifest) -> None:
    """The chart's policy lets out to the hub and the name server only."""
    policy = values["singleuser"]["networkPolicy"]
    assert policy["enabled"] is True
    assert not any(policy["egressAllowRules"].values())
    assert set(policy["egressAllowRules"]) >= {"privateIPs", "nonPrivateIPs", "cloudMetadataServer"}
    default = of_kind("NetworkPolicy")["spec"]
    assert default == {"podSelector": {}, "policyTypes": ["Ingress"]}


def test_runtime_class_is_the_one_that_lets_systemd_work(values: Manifest) -> None:
    """The pod asks for the runtime class that the cluster gets, whose handler the comment sets up."""
    name = manifests(values)[0]["spec"]["runtimeClassName"]
    made = of_kind("RuntimeClass")
    assert made["metadata"]["name"] == name
    text = (HERE / "cluster.yaml").read_text()
    assert re.search(rf"runtimes\.{made['handler']}\]\n.*\n.*cgroup_writable = true", text)


def test_images_are_pulled_before_trainees_come(values: Manifest) -> None:
    """The machine's image, which the chart does not know of, is on the list of its puller."""
    extra = values["prePuller"]["extraImages"]["machine"]
    machine = container(manifests(values)[0], "machine")
    assert machine["image"] == f"{extra['name']}:{extra['tag']}"


def of_kind(kind: str) -> Manifest:
    """The manifest of that kind in cluster.yaml."""
    return next(each for each in load(HERE / "cluster.yaml") if each["kind"] == kind)


def bytes_of(quantity: str | int) -> int:
    """A quantity of Kubernetes: 640M, 8Gi, or bytes."""
    found = re.fullmatch(r"(\d+)([KMGT]i?)?", str(quantity))
    assert found, quantity
    unit = found[2] or ""
    base = 1024 if unit.endswith("i") else 1000
    power = " KMGT".index(unit[:1] or " ")
    return int(found[1]) * int(base**power)
