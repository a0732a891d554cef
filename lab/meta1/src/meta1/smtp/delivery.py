"""A transaction of the client under way: its commands and the words for its recipients."""

from dataclasses import dataclass, field

from meta1.smtp.errors import LocalProtocolError
from meta1.smtp.outgoing import Outgoing
from meta1.smtp.reply import Reply, reply

CONNECTION_LOST = reply(451, "4.4.2", "Connection lost before the server answered")


@dataclass(slots=True)
class Delivery:
    """A transaction under way: what is known of each recipient so far."""

    number: int
    outgoing: Outgoing
    results: list[Reply | None]
    stages: list[str]
    accepted: list[int] = field(default_factory=list)
    final_replies: int = 0
    is_over: bool = False

    def decide(self, index: int, answer: Reply, stage: str) -> None:
        """Set the word for one recipient, once."""
        if self.results[index] is None:
            self.results[index] = answer
            self.stages[index] = stage

    def decide_rest(self, answer: Reply, stage: str) -> None:
        """Give all recipients without a word this one."""
        for index in range(len(self.results)):
            self.decide(index, answer, stage)


@dataclass(slots=True)
class Command:
    """A command and whom its reply concerns."""

    verb: str
    line: bytes
    delivery: Delivery | None = None
    index: int = 0


def delivery_of(command: Command) -> Delivery:
    if command.delivery is None:
        raise LocalProtocolError(f"{command.verb} belongs to no transaction")
    return command.delivery


def refusal_of(answer: Reply) -> Reply:
    """Turn a reply that makes no sense here (2yz or 3yz out of place) into a transient one."""
    if answer.code >= 400:
        return answer
    return reply(451, "4.5.0", f"Server answered out of place: {answer}")
