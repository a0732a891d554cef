"""SMTP without I/O: bytes in, events out, for both sides of the talk (RFC 5321, RFC 2033)."""
