"""SMTP AUTH as a server, by Cyrus SASL's own library and its database of secrets.

libsasl2 knows the mechanisms and reads sasldb2; this module gives it bytes and tells what came of
them.  Each attempt has a connection of its own, thrown away at its end (CVE-2011-1720 came from
using one twice).
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Final

from meta1.buildinfo import BUILD

APPLICATION: Final = b"meta1"
"""Name of the configuration file in the directory of the SASL plug-ins: meta1.conf."""
PLAINTEXT: Final = frozenset({"PLAIN", "LOGIN"})
MAX_CHALLENGE: Final = 8192

_OK, _CONTINUE, _FAIL = 0, 1, -1
_WORDS: Final = {-4: "no mechanism", -13: "wrong secret", -20: "no such user", -5: "bad protocol"}
_CB_LIST_END, _CB_GETOPT = 0, 1
_USERNAME, _SSF_EXTERNAL, _SEC_PROPS = 0, 100, 101
_NOPLAINTEXT, _NOANONYMOUS = 0x0001, 0x0010

_GetOpt = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.POINTER(ctypes.c_char_p),
    ctypes.POINTER(ctypes.c_uint),
)


class _Callback(ctypes.Structure):
    _fields_ = (
        ("id", ctypes.c_ulong),
        ("proc", ctypes.c_void_p),
        ("context", ctypes.c_void_p),
    )


class _SecurityProperties(ctypes.Structure):
    _fields_ = (
        ("min_ssf", ctypes.c_uint),
        ("max_ssf", ctypes.c_uint),
        ("maxbufsize", ctypes.c_uint),
        ("security_flags", ctypes.c_uint),
        ("property_names", ctypes.c_void_p),
        ("property_values", ctypes.c_void_p),
    )


class SaslUnusable(Exception):
    """The library is not there or does not start."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send this to the client and wait for its response."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The client is who it says."""

    identity: str


@dataclass(frozen=True, slots=True)
class NotAuthenticated:
    """The attempt failed; `why` is for the log only, the client must not learn it."""

    why: str


Step = Challenge | Authenticated | NotAuthenticated


class Sasl:
    """The library with the options of one `auth` section."""

    def __init__(self, host_name: str, realm: str | None = None, sasldb: str | None = None) -> None:
        """Load and start libsasl2; raises SaslUnusable."""
        self._host_name = host_name.encode("ascii")
        self._realm = (realm or host_name).encode("ascii")
        self._options = {b"pwcheck_method": b"auxprop", b"auxprop_plugin": b"sasldb"}
        if sasldb is not None:
            self._options[b"sasldb_path"] = sasldb.encode()
        self._library = _started()
        # libsasl2 keeps pointers to these: each attempt holds a reference to this object.
        self._getopt = _GetOpt(self._option)
        proc = ctypes.cast(self._getopt, ctypes.c_void_p)
        self._callbacks = (_Callback * 2)(
            _Callback(_CB_GETOPT, proc, None), _Callback(_CB_LIST_END, None, None)
        )

    def _option(
        self, context: int | None, plugin: bytes, option: bytes, result: object, length: object
    ) -> int:
        """Answer libsasl2's question for an option; what is not ours comes from meta1.conf."""
        value = self._options.get(option)
        if value is None:
            return _FAIL
        ctypes.cast(result, ctypes.POINTER(ctypes.c_char_p))[0] = value  # type: ignore[arg-type]
        if length:
            ctypes.cast(length, ctypes.POINTER(ctypes.c_uint))[0] = len(value)  # type: ignore[arg-type]
        return _OK

    def installed(self) -> tuple[str, ...]:
        """List the mechanisms that the plug-ins of this machine and the database can do."""
        exchange = self.begin(secure=True)
        try:
            return exchange.mechanisms()
        finally:
            exchange.dispose()

    def begin(self, *, secure: bool) -> Exchange:
        """Open an attempt; plaintext mechanisms only if `secure` says that TLS is active."""
        handle = ctypes.c_void_p()
        result = self._library.sasl_server_new(
            b"smtp",
            self._host_name,
            self._realm,
            None,
            None,
            self._callbacks,
            0,
            ctypes.byref(handle),
        )
        if result != _OK:
            raise SaslUnusable(f"sasl_server_new: {result}")
        exchange = Exchange(self, self._library, handle)
        exchange.protect(secure=secure)
        return exchange


class Exchange:
    """One attempt to authenticate."""

    def __init__(self, owner: Sasl, library: ctypes.CDLL, handle: ctypes.c_void_p) -> None:
        """Take over a connection of libsasl2, whose callbacks are the owner's."""
        self._owner = owner
        self._library = library
        self._handle = handle

    def protect(self, *, secure: bool) -> None:
        """Forbid anonymous users, layers of SASL's own and, without TLS, plaintext."""
        flags = _NOANONYMOUS | (0 if secure else _NOPLAINTEXT)
        properties = _SecurityProperties(0, 0, 0, flags, None, None)
        self._library.sasl_setprop(self._handle, _SEC_PROPS, ctypes.byref(properties))

    def mechanisms(self) -> tuple[str, ...]:
        """List what may be used now."""
        text = ctypes.c_char_p()
        result = self._library.sasl_listmech(
            self._handle, None, b"", b" ", b"", ctypes.byref(text), None, None
        )
        words = (text.value or b"") if result == _OK else b""
        return tuple(words.decode("ascii", "replace").upper().split())

    def start(self, mechanism: str, initial: bytes | None) -> Step:
        """Begin with the mechanism, which the caller has checked to be offered."""
        data, length = ctypes.c_char_p(), ctypes.c_uint()
        result = self._library.sasl_server_start(
            self._handle,
            mechanism.encode("ascii"),
            initial,
            len(initial or b""),
            ctypes.byref(data),
            ctypes.byref(length),
        )
        return self._step(result, data, length)

    def step(self, response: bytes) -> Step:
        """Go on with the client's response."""
        data, length = ctypes.c_char_p(), ctypes.c_uint()
        result = self._library.sasl_server_step(
            self._handle, response, len(response), ctypes.byref(data), ctypes.byref(length)
        )
        return self._step(result, data, length)

    def _step(self, result: int, data: ctypes.c_char_p, length: ctypes.c_uint) -> Step:
        if result == _CONTINUE and length.value <= MAX_CHALLENGE:
            return Challenge(ctypes.string_at(data, length.value) if length.value else b"")
        if result == _OK:
            name = ctypes.c_char_p()
            if self._library.sasl_getprop(self._handle, _USERNAME, ctypes.byref(name)) == _OK:
                return Authenticated((name.value or b"").decode("utf-8", "replace"))
        return NotAuthenticated(_WORDS.get(result, f"libsasl2 says {result}"))

    def dispose(self) -> None:
        """Forget the attempt and its secrets; once is enough."""
        if self._handle:
            self._library.sasl_dispose(ctypes.byref(self._handle))
            self._handle = ctypes.c_void_p()


def offered(
    wanted: tuple[str, ...], installed: tuple[str, ...], *, plaintext: bool, only_tls: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Choose the mechanisms to offer in clear text and inside TLS."""
    possible = tuple(each for each in wanted if each in installed)
    strong = tuple(each for each in possible if each not in PLAINTEXT)
    return (() if only_tls else strong), (possible if plaintext else strong)


@cache
def _started() -> ctypes.CDLL:
    """Load and start the library, once in a process; it has no global options of ours."""
    library = _load()
    result = library.sasl_server_init(None, APPLICATION)
    if result != _OK:
        raise SaslUnusable(f"libsasl2 does not start: {result}")
    return library


def _load() -> ctypes.CDLL:
    """Open the library and say what its functions take."""
    try:
        library = ctypes.CDLL(BUILD.sasl_library)
    except OSError as error:
        raise SaslUnusable(str(error)) from error
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint
    library.sasl_server_init.argtypes = [pointer, text]
    library.sasl_server_new.argtypes = [text, text, text, text, text, pointer, number, pointer]
    library.sasl_server_start.argtypes = [pointer, text, text, number, pointer, pointer]
    library.sasl_server_step.argtypes = [pointer, text, number, pointer, pointer]
    library.sasl_listmech.argtypes = [pointer, text, text, text, text, pointer, pointer, pointer]
    library.sasl_setprop.argtypes = [pointer, ctypes.c_int, pointer]
    library.sasl_getprop.argtypes = [pointer, ctypes.c_int, pointer]
    library.sasl_dispose.argtypes = [pointer]
    return library
