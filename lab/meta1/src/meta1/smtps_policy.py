"""What the configuration of smtps means for its sessions: settings, TLS context, AUTH."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from meta1 import PRODUCT, maillog
from meta1.config import Smtps
from meta1.sasl import Sasl, SaslUnusable, offered
from meta1.smtp.settings import ServerSettings
from meta1.tls import server_context


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything a new session needs to know; a reload makes a new one."""

    section: Smtps
    settings: ServerSettings
    tls: ssl.SSLContext | None
    trusted: frozenset[str]
    uses_map: bool
    """The access map is asked."""
    delays_checks: bool
    """The client and the sender are judged only at RCPT."""
    requests_cert: bool
    """Clients are asked for a certificate."""


def load_sasl(section: Smtps, host_name: str) -> Sasl | None:
    """Start libsasl2 if AUTH is configured; without it AUTH is not offered, and the log says so."""
    if section.auth is None:
        return None
    try:
        return Sasl(host_name, section.auth.realm, section.auth.sasldb)
    except SaslUnusable as error:
        maillog.trouble("auth_not_offered", error=error)
        return None


def make_policy(section: Smtps, host_name: str, sasl: Sasl | None) -> Policy:
    """Read what new sessions need; raises TlsUnusable if a `tls` section cannot be obeyed."""
    tls, requests_cert = None, False
    if section.tls is not None:
        requests_cert = "request_cert" in section.tls.flags
        tls = server_context(section.tls, request_cert=requests_cert)
    clear, in_tls = _mechanisms(section, sasl)
    settings = ServerSettings(
        host_name=host_name,
        product=PRODUCT,
        greeting=section.greeting,
        max_message_size=section.max_message_size,
        eight_bit_mime="8bitmime" in section.flags,
        max_recipients=section.max_recipients,
        max_errors=section.max_errors,
        max_junk_commands=section.max_idle_commands,
        max_auth_failures=section.auth.max_failures if section.auth else 3,
        max_command_line=section.max_command_line,
        max_content_line=section.max_data_line,
        max_hops=section.max_hops,
        offers_tls=tls is not None,
        mechanisms=clear,
        mechanisms_in_tls=in_tls if tls is not None else (),
    )
    trusted = frozenset(section.auth.trusted_mechanisms if section.auth else ())
    return Policy(
        section=section,
        settings=settings,
        tls=tls,
        trusted=trusted,
        uses_map="access" in section.flags,
        delays_checks="delay_checks" in section.flags,
        requests_cert=requests_cert,
    )


def _mechanisms(section: Smtps, sasl: Sasl | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    auth = section.auth
    if auth is None or sasl is None:
        return (), ()
    wanted = auth.mechanisms or auth.trusted_mechanisms
    installed = sasl.installed()
    if missing := [each for each in wanted if each not in installed]:
        maillog.trouble("auth_mechanisms_missing", mechanisms=" ".join(missing))
    return offered(
        wanted,
        installed,
        plaintext="noplaintext" not in auth.flags,
        only_tls="require_tls" in auth.flags,
    )
