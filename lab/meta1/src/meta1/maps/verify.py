"""A program of its own: verifies a Berkeley DB file, exit status 0 if it is sound.

bsddb3 calls the library's DB->verify but drops its verdict, so it is called here by its C name.
It runs apart from smar because a damaged file may crash the library, or hold it up for ever.
"""

from __future__ import annotations

import ctypes
import os
import sys

LIBRARY = "libdb-5.3.so"
_NAMES = ("__db_verify_pp", "__db_verify_pp_5003")
"""Some builds add the version to the names that are not theirs alone."""


def verify(path: str) -> int:
    """Verify every page; 0, or the number of the library's error."""
    library = ctypes.CDLL(LIBRARY)
    handle = ctypes.c_void_p()
    if error := int(library.db_create(ctypes.byref(handle), None, 0)):
        return error
    function = next(getattr(library, name) for name in _NAMES if hasattr(library, name))
    function.argtypes = [
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_uint32,
    ]  # fmt: skip
    return int(function(handle, os.fsencode(path), None, None, 0))


if __name__ == "__main__":
    sys.exit(1 if verify(sys.argv[1]) else 0)
