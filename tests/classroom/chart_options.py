"""What the chart of Zero to JupyterHub takes where our values say something, and what its hub makes of it.

The chart comes from its own repository when it is installed, and helm then checks all values against its schema. These
tables say the same of the options that we use: their types as the schema of chart 4 has them
(`jupyterhub/values.schema.yaml`, commit 02dd73df01), and the KubeSpawner trait that each becomes
(`jupyterhub/files/hub/jupyterhub_config.py`). There is nothing of the chart's own text here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from traitlets.config import Config

FREE = object()
"""An object or list whose inside the chart leaves to Kubernetes or to JupyterHub."""
NUMBER = (int, float)
Kind = type | tuple[type, ...] | frozenset[str] | object

OPTIONS: dict[str, Kind] = {
    "cull.enabled": bool,
    "cull.every": int,
    "cull.timeout": int,
    "hub.concurrentSpawnLimit": int,
    "hub.config": FREE,
    "hub.resources": FREE,
    "prePuller.continuous.enabled": bool,
    "prePuller.extraImages.machine.name": str,
    "prePuller.extraImages.machine.tag": str,
    "prePuller.hook.enabled": bool,
    "proxy.https.enabled": bool,
    "proxy.https.hosts": FREE,
    "proxy.https.letsencrypt.contactEmail": str,
    "proxy.https.type": frozenset({"", "letsencrypt", "manual", "offload", "secret"}),
    "scheduling.userPods.nodeAffinity.matchNodePurpose": frozenset({"ignore", "prefer", "require"}),
    "scheduling.userScheduler.enabled": bool,
    "singleuser.allowPrivilegeEscalation": bool,
    "singleuser.cloudMetadata.blockWithIptables": bool,
    "singleuser.cloudMetadata.ip": str,
    "singleuser.cmd": (str, list),
    "singleuser.cpu.guarantee": NUMBER,
    "singleuser.cpu.limit": NUMBER,
    "singleuser.extraContainers": FREE,
    "singleuser.extraEnv": FREE,
    "singleuser.extraPodConfig": FREE,
    "singleuser.image.name": str,
    "singleuser.image.tag": str,
    "singleuser.memory.guarantee": (str, *NUMBER),
    "singleuser.memory.limit": (str, *NUMBER),
    "singleuser.networkPolicy.enabled": bool,
    "singleuser.networkPolicy.egressAllowRules.cloudMetadataServer": bool,
    "singleuser.networkPolicy.egressAllowRules.dnsPortsCloudMetadataServer": bool,
    "singleuser.networkPolicy.egressAllowRules.nonPrivateIPs": bool,
    "singleuser.networkPolicy.egressAllowRules.privateIPs": bool,
    "singleuser.startTimeout": int,
    "singleuser.storage.extraVolumeMounts": FREE,
    "singleuser.storage.extraVolumes": FREE,
    "singleuser.storage.homeMountPath": str,
    "singleuser.storage.type": frozenset({"dynamic", "static", "none"}),
    "singleuser.uid": int,
}
TOGETHER = {
    "singleuser.cloudMetadata": {"blockWithIptables", "ip"},
    "singleuser.image": {"name", "tag"},
    "singleuser.storage": {"type", "homeMountPath"},
}
"""What the schema requires once anything of it is said."""
TRAITS = {
    "singleuser.allowPrivilegeEscalation": "allow_privilege_escalation",
    "singleuser.cpu.guarantee": "cpu_guarantee",
    "singleuser.cpu.limit": "cpu_limit",
    "singleuser.extraContainers": "extra_containers",
    "singleuser.extraEnv": "environment",
    "singleuser.extraPodConfig": "extra_pod_config",
    "singleuser.memory.guarantee": "mem_guarantee",
    "singleuser.memory.limit": "mem_limit",
    "singleuser.startTimeout": "start_timeout",
    "singleuser.storage.extraVolumeMounts": "volume_mounts",
    "singleuser.storage.extraVolumes": "volumes",
    "singleuser.uid": "uid",
}


def complaints(values: Mapping[str, Any]) -> list[str]:
    """What the chart would refuse: unknown options, wrong types, parts of an object that are missing."""
    found = []
    for path, value in leaves(values):
        kind = OPTIONS.get(path)
        if kind is None:
            found.append(f"{path}: no such option")
        elif isinstance(kind, frozenset):
            if value not in kind:
                found.append(f"{path}: {value!r} is none of {', '.join(sorted(kind))}")
        elif kind is not FREE:
            wanted = kind if isinstance(kind, tuple) else (kind,)
            if type(value) not in wanted:  # True is no number here
                found.append(f"{path}: {value!r} is a {type(value).__name__}")
    for path, keys in TOGETHER.items():
        part = at(values, path)
        found += [f"{path}: {key} is missing" for key in sorted(keys - part.keys())] if part else []
    return found


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Paths with their values, down to what the table knows."""
    for key, value in values.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and OPTIONS.get(path) is not FREE:
            yield from leaves(value, f"{path}.")
        else:
            yield path, value


def at(values: Mapping[str, Any], path: str) -> Any:
    """The value at a path; None if nothing is there."""
    here: Any = values
    for key in path.split("."):
        here = here.get(key) if isinstance(here, Mapping) else None
    return here


def spawner_config(values: Mapping[str, Any]) -> Config:
    """The configuration that the chart's hub gives KubeSpawner for these values."""
    config = Config()
    for path, trait in TRAITS.items():
        if (value := at(values, path)) is not None:
            setattr(config.KubeSpawner, trait, value)
    image = values["singleuser"]["image"]
    config.KubeSpawner.image = f"{image['name']}:{image['tag']}"
    config.KubeSpawner.cmd = values["singleuser"]["cmd"]
    for name, traits in values["hub"]["config"].items():  # last, as in the chart
        config[name].update(traits)
    return config
