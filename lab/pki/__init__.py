"""X.509 for a lab: an authority, what it signs, and how certificates are named, found and drawn."""

from lab.pki.authority import Authority, Issued
from lab.pki.files import certificate, pem
from lab.pki.names import dn, hash_name, hashed_directory
from lab.pki.picture import chain_dot, chain_picture

__all__ = [
    "Authority",
    "Issued",
    "certificate",
    "chain_dot",
    "chain_picture",
    "dn",
    "hash_name",
    "hashed_directory",
    "pem",
]
