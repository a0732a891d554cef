"""What ./configure asks Python: one line NAME=VALUE for each library that works."""

import ctypes
import importlib.metadata
import socket
import sys


def openssl() -> str:
    import ssl

    print(f"openssl_new={'yes' if ssl.OPENSSL_VERSION_INFO >= (1, 1, 1) else 'no'}")
    return ssl.OPENSSL_VERSION


def sasl() -> str:
    library = ctypes.CDLL(sys.argv[1])
    number = ctypes.c_int()
    library.sasl_version(None, ctypes.byref(number))
    return f"{number.value >> 24}.{number.value >> 16 & 255}.{number.value & 65535}"


def bdb() -> str:
    from bsddb3 import db

    return str(db.DB_VERSION_STRING)


def uvloop() -> str:
    import uvloop

    return str(uvloop.__version__)


def dnspython() -> str:
    import dns.version

    return str(dns.version.version)


def cryptography() -> str:
    # The compiled part is what may be missing, so a look at the version is not enough.
    from cryptography.hazmat.bindings import _rust  # noqa: F401

    return importlib.metadata.version("cryptography")


FACTS = {
    "python": lambda: sys.version.split()[0],
    "openssl": openssl,
    "sasl": sasl,
    "bdb": bdb,
    "dnspython": dnspython,
    "cryptography": cryptography,
    "uvloop": uvloop,
    "pytest": lambda: importlib.metadata.version("pytest"),
    "hypothesis": lambda: importlib.metadata.version("hypothesis"),
    "hostname": socket.getfqdn,
}

for name, look in FACTS.items():
    try:
        print(f"{name}={look()}")
    except (ImportError, OSError, AttributeError):
        # Not there, or not working: configure says what to install.
        continue
