"""Names and versions of the libraries that a module really uses, for ``-VV``."""

from __future__ import annotations

import ctypes
import importlib
import ssl
import sys
from collections.abc import Iterator

from meta1.buildinfo import BUILD

_MODULES = (
    ("dnspython", "dns.version", "version"),
    ("cryptography", "cryptography", "__version__"),
    ("uvloop", "uvloop", "__version__"),
)


def versions() -> Iterator[tuple[str, str]]:
    """Name and version of each library."""
    yield "Python", sys.version.split()[0]
    yield "OpenSSL", f"{ssl.OPENSSL_VERSION_NUMBER:#x} ({ssl.OPENSSL_VERSION})"
    yield "Cyrus SASL", _sasl() if BUILD.sasl else "(switched off by configure)"
    yield "Berkeley DB", _berkeley_db()
    for name, module, attribute in _MODULES:
        try:
            yield name, str(getattr(importlib.import_module(module), attribute))
        except ImportError:
            yield name, "(not found)"


def _berkeley_db() -> str:
    try:
        return str(importlib.import_module("bsddb3.db").DB_VERSION_STRING)
    except ImportError:
        return "(not found)"


def _sasl() -> str:
    try:
        library = ctypes.CDLL(BUILD.sasl_library)
    except OSError:
        return "(not found)"
    name, version = ctypes.c_char_p(), ctypes.c_int()
    library.sasl_version(ctypes.byref(name), ctypes.byref(version))
    # One byte each for major and minor version, two bytes for the step (sasl.h).
    number = version.value
    return f"{number >> 24 & 255}.{number >> 16 & 255}.{number & 65535}"
