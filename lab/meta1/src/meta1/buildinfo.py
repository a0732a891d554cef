"""What ``configure`` decided; in the source tree, where nothing is built yet, the usual places."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class BuildInfo:
    """Places and features of this build."""

    prefix: str = "/usr/local"
    bindir: str = "/usr/local/bin"
    sbindir: str = "/usr/local/sbin"
    libexecdir: str = "/usr/local/libexec"
    sysconfdir: str = "/etc/meta1"
    spooldir: str = "/var/spool/meta1"
    rundir: str = "/run/meta1"
    configure: str = "(not built)"
    system: str = "(not built)"
    tls: bool = True
    sasl: bool = True
    sasl_library: str = "libsasl2.so.2"


def _read() -> BuildInfo:
    try:
        made = importlib.import_module("meta1._build")
    except ModuleNotFoundError:
        return BuildInfo()
    known = {each.name for each in fields(BuildInfo)}
    return BuildInfo(**{key: value for key, value in vars(made).items() if key in known})


BUILD = _read()
