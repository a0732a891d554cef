"""What the SMTP server core must know of the configuration."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What the core must know of the configuration."""

    host_name: str
    product: str = "MeTA1"
    greeting: str = "Hi there"
    max_message_size: int = 67108864
    eight_bit_mime: bool = True
    max_recipients: int = 1000
    max_errors: int = 20
    max_junk_commands: int = 100
    max_auth_failures: int = 3
    max_command_line: int = 2048
    max_content_line: int = 65536
    max_hops: int = 50
    offers_tls: bool = False
    mechanisms: tuple[str, ...] = ()
    mechanisms_in_tls: tuple[str, ...] = ()
