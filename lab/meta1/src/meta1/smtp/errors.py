"""The two ways an SMTP talk can break: by our own caller or by the peer."""

from meta1.smtp.reply import Reply


class SmtpError(Exception):
    """Anything the protocol core raises."""


class LocalProtocolError(SmtpError):
    """Our caller broke the contract; nothing was sent: the peer must not pay for our bug."""


class RemoteProtocolError(SmtpError):
    """The peer broke the protocol; `reply` is what a server should send it."""

    def __init__(self, reply: Reply) -> None:
        """Keep the reply beside the message, so that a shell needs no second table."""
        super().__init__(str(reply))
        self.reply = reply
