"""What the server says to a stranger who names a recipient: asked by swaks, from an address that has no rights."""

from __future__ import annotations

from lab.host import Host

ASK = (
    "swaks --server 127.0.0.1 --local-interface 127.0.0.9 --quit-after RCPT "
    "--from someone@elsewhere.example --to %s"
)
UNANSWERED = "no answer to RCPT"


def reply_to(vm: Host, recipient: str, *options: str) -> str:
    """The first line of the reply to RCPT; `options` are further ones of swaks."""
    said = vm.run(ASK + " %s" * len(options), recipient, *options, check=False).stdout
    answer = said.partition("RCPT TO:")[2].splitlines()[1:]
    # Before the reply stands a mark of swaks, such as `<-` or, inside TLS, `<~*`.
    return answer[0].partition(" ")[2].strip() if answer else UNANSWERED
