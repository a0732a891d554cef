"""Rules between options: what each value alone cannot tell. Pure; no file is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from meta1.buildinfo import BUILD
from meta1.config.check_maps import check_maps
from meta1.config.errors import Fault, nearest
from meta1.config.sections.common import MODULES, Module, TlsFiles
from meta1.config.sections.root import Config
from meta1.config.sections.smtps import Smtps

PLAINTEXT = frozenset({"PLAIN", "LOGIN"})


def check(config: Config) -> list[Fault]:
    """Every rule that the configuration breaks."""
    return [fault for rule in RULES for fault in rule(config)]


def _distinct_servers(config: Config) -> Iterator[Fault]:
    """Several smtps sections need names, and their own descriptor sockets and ports."""
    if len(config.smtps) < 2:
        return
    seen: dict[str, Smtps] = {}
    for each in config.smtps:
        place = each.where("")
        if not each.label:
            yield Fault(place, "one of several smtps sections has no name", "smtps NAME { ... }")
        path = each.pass_fd_socket or ""
        if each.start_action == "pass" and path in seen:
            yield Fault(
                each.where("pass_fd_socket"),
                f"pass_fd_socket '{path}' is that of another smtps too",
                "another path",
            )
        seen[path] = each


def _labels(config: Config) -> Iterator[Fault]:
    """A label would be mistaken for a module; modules other than smtps have none."""
    for each in config.smtps:
        if each.label.lower() in (*MODULES, "mcp"):
            yield Fault(each.where(""), f"smtps may not be named '{each.label}'", "another name")
    for name, module in (("smtpc", config.smtpc), ("qmgr", config.qmgr), ("smar", config.smar)):
        if module.label:
            yield Fault(module.where(""), f"{name} may not have a name", f"{name} {{ ... }}")


def _listening(config: Config) -> Iterator[Fault]:
    """Who gets sockets passed needs sockets and a place to pass them; nobody else may ask."""
    for name, module in config.modules():
        if module.listen_socket and not isinstance(module, Smtps):
            yield Fault(
                module.listen_socket[0].where(""), f"{name} listens on no port",
                "listen_socket only in smtps",
            )  # fmt: skip
        if module.start_action == "pass" and not module.listen_socket:
            yield Fault(
                module.where("start_action"), f"{name} has start_action pass but no socket to pass",
                "a section listen_socket",
            )  # fmt: skip
        elif isinstance(module, Smtps) and not module.listen_socket:
            yield Fault(module.where(""), f"{name} has no socket", "a section listen_socket")
        if module.start_action == "pass" and not module.pass_fd_socket:
            yield Fault(
                module.where("start_action"), f"{name} has start_action pass", "pass_fd_socket too"
            )


def _distinct_sockets(config: Config) -> Iterator[Fault]:
    """Two sockets on one address and port: the second bind would fail at start."""
    seen: set[tuple[str, str, int]] = set()
    for server in config.smtps:
        for each in server.listen_socket:
            key = (each.type, str(each.address or "*"), each.port)
            if key in seen:
                yield Fault(each.where("port"), f"port {each.port} is taken by another socket")
            seen.add(key)
            if each.address and each.address.version != (4 if each.type == "inet" else 6):
                yield Fault(
                    each.where("address"), f"{each.address} is not an address of type {each.type}"
                )


def _dependencies(config: Config) -> Iterator[Fault]:
    """restart_dependencies name modules of this file."""
    known = (*MODULES, *(each.label for each in config.smtps if each.label))
    for name, module in config.modules():
        for other in module.restart_dependencies:
            if other.lower() not in (each.lower() for each in known):
                yield Fault(
                    module.where("restart_dependencies"), f"there is no module '{other}'",
                    f"some of {', '.join(known)}", nearest(other, known),
                )  # fmt: skip
            elif other.lower() == name.lower():
                yield Fault(
                    module.where("restart_dependencies"), f"{name} depends on itself",
                    "other modules",
                )  # fmt: skip


def _tls(config: Config) -> Iterator[Fault]:
    """A key needs its certificate, and a server needs both."""
    sections: list[tuple[str, Module, TlsFiles]] = [
        (each.label or "smtps", each, each.tls) for each in config.smtps if each.tls
    ]
    if config.smtpc.tls:
        sections.append(("smtpc", config.smtpc, config.smtpc.tls))
    for name, module, tls in sections:
        if bool(tls.key_file) != bool(tls.cert_file):
            missing = "cert_file" if tls.key_file else "key_file"
            given = "key_file" if tls.key_file else "cert_file"
            yield Fault(tls.where(given), f"{given} of {name} stands alone", missing)
        elif isinstance(module, Smtps) and not tls.key_file:
            yield Fault(
                tls.where(""), "a server cannot speak TLS without a certificate",
                "key_file and cert_file",
            )  # fmt: skip


def _auth(config: Config) -> Iterator[Fault]:
    """Mechanisms that the flags forbid, or trust in mechanisms that are not offered."""
    for each in config.smtps:
        if (auth := each.auth) is None:
            continue
        offered = auth.mechanisms or auth.trusted_mechanisms
        if not offered:
            yield Fault(auth.where(""), "auth names no mechanism", "trusted_mechanisms")
        for mechanism in sorted(PLAINTEXT & {*offered, *auth.trusted_mechanisms}):
            if "noplaintext" in auth.flags:
                place = auth.where("mechanisms" if auth.mechanisms else "trusted_mechanisms")
                yield Fault(place, f"noplaintext forbids the mechanism {mechanism}")
        for mechanism in auth.trusted_mechanisms:
            if mechanism not in offered:
                yield Fault(
                    auth.where("trusted_mechanisms"), f"{mechanism} is trusted but not offered",
                    "it in mechanisms too",
                )  # fmt: skip


def _features(config: Config) -> Iterator[Fault]:
    """What configure switched off cannot be asked for."""
    every: list[TlsFiles | None] = [each.tls for each in config.smtps]
    for tls in (*every, config.smtpc.tls):
        if tls and not BUILD.tls:
            yield Fault(tls.where(""), "this build has no TLS", "a build with --enable-TLS")
    for each in config.smtps:
        if each.auth and not BUILD.sasl:
            yield Fault(each.auth.where(""), "this build has no SASL", "a build with --enable-SASL")


def _milter(config: Config) -> Iterator[Fault]:
    """Without a milter that answers, mail would pass unfiltered: the file has to say so."""
    for each in config.smtps:
        milter = each.policy_milter
        if milter and "accept_but_reconnect" not in milter.flags:
            yield Fault(
                milter.where("flags"),
                "this server cannot reach a policy milter: its protocol is not public",
                "no policy_milter, or flags = { accept_but_reconnect } to do without its answers",
            )


def _limits(config: Config) -> Iterator[Fault]:
    """The smaller limit may not be above the larger one."""
    clients, qmgr, mcp = config.qmgr.smtpc, config.qmgr, config.mcp
    pairs = [
        (clients, "initial_connections", "max_connections"),
        (qmgr, "min_retry", "max_retry"),
        (qmgr, "max_retry", "return_timeout"),
        (mcp, "min_restart_delay", "max_restart_delay"),
    ]
    for section, low, high in pairs:
        if getattr(section, low) > getattr(section, high):
            place = section.where(low if section.is_set(low) else high)
            yield Fault(place, f"{low} is above {high}")


RULES: tuple[Callable[[Config], Iterator[Fault]], ...] = (
    _distinct_servers, _labels, _listening, _distinct_sockets, _dependencies,
    _tls, _auth, _features, _milter, _limits, check_maps,
)  # fmt: skip
