"""STARTTLS for smtps and smtpc: contexts from the configuration, facts about a session.

A client certificate never aborts a handshake, whoever signed it: the result of the check is a fact
that access rules may use.  The standard library cannot say that, so a verify callback is set in
OpenSSL itself (see `_never_abort`).
"""

from __future__ import annotations

import ctypes
import ssl
from dataclasses import dataclass
from functools import cache
from typing import Final

from meta1.config.files import check_private_key
from meta1.config.sections.common import TlsFiles

_VERSIONS: Final = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
_VERIFY_PEER: Final = 1
# Where CPython 3.11 keeps OpenSSL's pointers in its objects: behind reference count and type,
# and in the session also behind the socket. Checked before use in `_never_abort`.
_CONTEXT_OFFSET: Final = 16
_SESSION_OFFSET: Final = 24


class TlsUnusable(Exception):
    """The files of a `tls` section cannot be used; the text says which and why."""


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What is known of a TLS session; `verify` is OK, NO, NOT or FAIL as in sendmail 8.

    Subject and issuer are encoded as the access map wants them.
    """

    version: str
    cipher: str
    bits: int
    verify: str
    subject: str = ""
    issuer: str = ""


def server_context(files: TlsFiles, *, request_cert: bool = True) -> ssl.SSLContext:
    """Make the context of smtps; raises TlsUnusable."""
    if not files.cert_file or not files.key_file:
        raise TlsUnusable("a server needs cert_file and key_file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_RENEGOTIATION
    # No resumption: what a certificate allowed must not outlive a change of configuration.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    _load(context, files)
    if request_cert:
        context.verify_mode = ssl.CERT_OPTIONAL
        _never_abort(context)
        if files.cacert_file:
            _announce_authorities(context, files.cacert_file)
    return context


def client_context(files: TlsFiles | None) -> ssl.SSLContext:
    """Make the context of smtpc, which takes any certificate but knows whether it is good."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if files is None:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    else:
        _load(context, files)
    return context


def _load(context: ssl.SSLContext, files: TlsFiles) -> None:
    """Apply what both sides have in common."""
    context.minimum_version = _VERSIONS[files.min_version]
    context.options |= ssl.OP_NO_COMPRESSION
    if files.key_file and (why := check_private_key(files.key_file)):
        raise TlsUnusable(why)
    try:
        if files.ciphers:
            context.set_ciphers(files.ciphers)
        if files.cert_file and files.key_file:
            # An encrypted key would ask the terminal; a daemon has none.
            context.load_cert_chain(files.cert_file, files.key_file, password=lambda: "")
        if files.cacert_file or files.cacert_directory:
            context.load_verify_locations(files.cacert_file, files.cacert_directory)
    except (OSError, ValueError) as error:
        raise TlsUnusable(f"{files.cert_file}, {files.key_file}, CA files: {error}") from error


# ---- OpenSSL below the standard library ------------------------------------------------------

_VerifyCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p)


def _return_one(verified: int, store: int | None) -> int:
    """Let the handshake go on; OpenSSL keeps the result of the check.

    What it has noted about a bad signature is thrown away: the thread's next operation, on
    whichever connection, would take it for its own error.
    """
    _libssl().ERR_clear_error()
    return 1


# OpenSSL keeps the pointer: it must live as long as any context.
_GO_ON: Final = _VerifyCallback(_return_one)


@cache
def _libssl() -> ctypes.CDLL:
    """Open the very library that the ssl module uses."""
    with open("/proc/self/maps", encoding="ascii", errors="replace") as maps:
        paths = {line.split()[-1] for line in maps if "libssl" in line}
    library = ctypes.CDLL(paths.pop() if paths else "libssl.so.3")
    library.SSL_CTX_set_verify.argtypes = [ctypes.c_void_p, ctypes.c_int, _VerifyCallback]
    library.SSL_CTX_set_verify.restype = None
    library.SSL_CTX_get_verify_mode.argtypes = [ctypes.c_void_p]
    library.SSL_get_verify_result.argtypes = [ctypes.c_void_p]
    library.SSL_get_verify_result.restype = ctypes.c_long
    library.SSL_load_client_CA_file.argtypes = [ctypes.c_char_p]
    library.SSL_load_client_CA_file.restype = ctypes.c_void_p
    library.SSL_CTX_set_client_CA_list.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    library.SSL_CTX_set_client_CA_list.restype = None
    library.ERR_clear_error.argtypes = []
    library.ERR_clear_error.restype = None
    return library


def _pointer(owner: object, offset: int) -> int:
    """Read a pointer out of an object of the interpreter."""
    return ctypes.c_void_p.from_address(id(owner) + offset).value or 0


def _never_abort(context: ssl.SSLContext) -> None:
    """Ask for a certificate but go on with any, or none."""
    handle = _pointer(context, _CONTEXT_OFFSET)
    library = _libssl()
    if library.SSL_CTX_get_verify_mode(handle) != _VERIFY_PEER:
        raise TlsUnusable("this Python keeps its TLS context elsewhere; use dont_request_cert")
    library.SSL_CTX_set_verify(handle, _VERIFY_PEER, _GO_ON)


def _announce_authorities(context: ssl.SSLContext, path: str) -> None:
    """Send the names in CAcert_file to the client, so that it can choose a certificate."""
    library = _libssl()
    names = library.SSL_load_client_CA_file(path.encode())
    if names:
        library.SSL_CTX_set_client_CA_list(_pointer(context, _CONTEXT_OFFSET), names)


# ---- facts -----------------------------------------------------------------------------------


def session_facts(session: ssl.SSLObject, *, requested: bool = True) -> TlsFacts:
    """Collect what is known once the handshake is done."""
    name, _, bits = session.cipher() or ("", "", 0)
    version = session.version() or ""
    certificate = session.getpeercert(binary_form=True)
    if certificate is None:
        return TlsFacts(version, name, bits, "NO" if requested else "NOT")
    handle = _pointer(session._sslobj, _SESSION_OFFSET)  # type: ignore[attr-defined]
    verify = "OK" if _libssl().SSL_get_verify_result(handle) == 0 else "FAIL"
    try:
        # Not above: it is a quarter of what smtps loads, and many a client shows no certificate.
        from meta1.certificate import names

        subject, issuer = names(certificate)
    except (ValueError, ImportError, OSError):  # the latter two: too many files are open just now
        return TlsFacts(version, name, bits, "FAIL")
    return TlsFacts(version, name, bits, verify, subject, issuer)
