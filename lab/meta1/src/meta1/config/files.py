"""Look at the files that a configuration names: are they there, readable, safe, and valid?

Everything here touches the disk; ``-VVVV`` and the start of a module use it, loading does not.
"""

from __future__ import annotations

import os
import pwd
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

from meta1.config.errors import Fault
from meta1.config.schema import Section
from meta1.config.sections.common import Module, TlsFiles
from meta1.config.sections.root import Config


def check_files(config: Config) -> list[Fault]:
    """What is wrong with files, users and certificates; a file one may not read is left out."""
    faults: list[Fault] = []
    for name, module in config.modules():
        faults += _module(name, module)
    for tls in (*(each.tls for each in config.smtps), config.smtpc.tls):
        faults += _tls(tls) if tls else ()
    return faults


def check_private_key(path: str | Path) -> str | None:
    """Why a key file must not be used, or None; others may not read it and only its owner write."""
    try:
        status = Path(path).stat()
    except OSError as error:
        return f"{path}: {error.strerror}"
    if not stat.S_ISREG(status.st_mode):
        return f"{path} is not a file"
    if status.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
        mode = stat.S_IMODE(status.st_mode)
        return f"{path} has mode {mode:04o}, others can get at the key: chmod 0440 {path}"
    return None


def _module(name: str, module: Module) -> Iterator[Fault]:
    if module.path and not os.access(module.path, os.X_OK):
        yield Fault(module.where("path"), f"{module.path} is not a program", "an executable file")
    if module.user:
        try:
            pwd.getpwnam(module.user)
        except KeyError:
            yield Fault(
                module.where("user"), f"there is no user '{module.user}'", "an account of this host"
            )


def _tls(tls: TlsFiles) -> Iterator[Fault]:
    yield from _present(tls, "cert_file", os.path.isfile, "a file")
    yield from _present(tls, "cacert_file", os.path.isfile, "a file")
    yield from _present(tls, "cacert_directory", os.path.isdir, "a directory")
    if tls.key_file and (why := check_private_key(tls.key_file)):
        yield Fault(tls.where("key_file"), why)
        return
    yield from _pair(tls)
    yield from _authorities(tls)


def _present(section: Section, attribute: str, is_right: object, what: str) -> Iterator[Fault]:
    path = getattr(section, attribute)
    if path is not None and callable(is_right) and not is_right(path):
        yield Fault(section.where(attribute), f"{path} is not there, or no such thing", what)


def _pair(tls: TlsFiles) -> Iterator[Fault]:
    """The certificate must fit the key, and the key must not be encrypted."""
    if not (tls.cert_file and tls.key_file and os.path.isfile(tls.cert_file)):
        return
    if not (os.access(tls.key_file, os.R_OK) and os.access(tls.cert_file, os.R_OK)):
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # An encrypted key would ask the terminal for its password; this password is refused.
        context.load_cert_chain(tls.cert_file, tls.key_file, password=lambda: "")
    except (ssl.SSLError, OSError, ValueError) as error:
        yield Fault(
            tls.where("key_file"), f"{tls.key_file} and {tls.cert_file} do not work: {error}",
            "a PEM key without password, and its certificate",
        )  # fmt: skip


def _authorities(tls: TlsFiles) -> Iterator[Fault]:
    if not (tls.cacert_file and os.access(tls.cacert_file, os.R_OK)):
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(tls.cacert_file)
    except (ssl.SSLError, OSError) as error:
        yield Fault(
            tls.where("cacert_file"), f"{tls.cacert_file}: {error}", "certificates in PEM format"
        )
