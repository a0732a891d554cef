"""The access decision: may this client send from this sender to this recipient through us?

No I/O of its own: lookups and facts about local addresses come in through `Facts`.  The order:

    CONNECT  cltaddr, cltname, cltresolve: the first value that decides counts
    MAIL     from
    RCPT     (with delay_checks first the two above; who may relay by AUTH or certificate is not
             refused by them) then to, protectedrcpt, and in the end the rule without a map:
             the recipient is local and exists, or relaying is allowed, or 550 5.7.1

Relaying is allowed by `to:`, `cltaddr:`, `cltname:` with the value relay, by AUTH with a trusted
mechanism, and by a verified certificate whose issuer or subject the map allows.  By nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Protocol

from meta1.access_keys import address_keys, domain_keys, mailbox_keys
from meta1.access_table import VERDICTS, BadValue, Value, read_value
from meta1.maps.base import Answer, MapFailure, MapRefusal, Status
from meta1.messages import AccessChecked, CheckAccess, Stage, Verdict

TRY_LATER: Final = (451, "4.3.0", "Access cannot be checked now, try again later")
RELAYING_DENIED: Final = (550, "5.7.1", "Relaying denied")
UNKNOWN_USER: Final = (550, "5.1.1", "No such user here")
PROTECTED: Final = (550, "5.7.1", "You may not send to this recipient")
ROUTED: Final = (550, "5.7.1", "Source routes and routed local parts are not relayed")
_ROUTING_CHARACTERS: Final = frozenset("%!@")


class Facts(Protocol):
    """What the decision needs to know."""

    async def lookup(self, key: str) -> Answer:
        """Look `tag:key` up in the access map."""

    async def is_local(self, domain: str) -> bool:
        """Tell whether mail for a domain is delivered here."""

    async def user_exists(self, mailbox: str) -> bool:
        """Tell whether a local address is a user or an alias."""


@dataclass(frozen=True, slots=True)
class Found:
    """A value and the entry it came from."""

    value: Value
    rule: str


async def decide(facts: Facts, check: CheckAccess) -> AccessChecked:
    """Decide; a map that cannot be asked or read means: not now."""
    try:
        return await _STAGES[check.stage](facts, check)
    except MapRefusal as error:
        return _answer(check, Verdict.REFUSE, (550, "5.7.1", f"Access denied: {_plain(error)}"))
    except MapFailure as error:
        return _answer(check, Verdict.TRY_LATER, TRY_LATER, _plain(error))
    except BadValue as error:
        return _answer(check, Verdict.TRY_LATER, (451, "4.3.5", TRY_LATER[2]), _plain(error))


# ---- the stages ----------------------------------------------------------------------------


async def _connect(facts: Facts, check: CheckAccess) -> AccessChecked:
    """Decide about the client."""
    found = await _client_value(facts, check)
    return _accepted(check) if found is None else _from_value(check, found)


async def _mail(facts: Facts, check: CheckAccess) -> AccessChecked:
    """Decide about the sender."""
    found = await _search(facts, check, "from", mailbox_keys(check.reverse_path))
    return _accepted(check) if found is None else _from_value(check, found)


async def _rcpt(facts: Facts, check: CheckAccess) -> AccessChecked:
    """Decide about the recipient, with all that is known."""
    session = await _session_relay(facts, check)
    client = await _client_value(facts, check)
    sender = await _search(facts, check, "from", mailbox_keys(check.reverse_path))
    if check.delayed:
        refused = _early_refusal(check, client, sender, session)
        if refused is not None:
            return refused
    relay = session or _rule_if_relay(client)
    if _ends_search(client) or _ends_search(sender):
        # `quick:` skips the map, never the rule that keeps strangers from relaying.
        return await _last_rule(facts, check, relay, "")
    found = await _search(facts, check, "to", mailbox_keys(check.forward_path))
    if found is not None and found.value.word not in ("ok", "relay"):
        return _from_value(check, found)
    if _rule_if_relay(found) and not relay and _is_routed(check.forward_path):
        return _answer(check, Verdict.REFUSE, ROUTED, _rule_if_relay(found))
    protected = await _protection(facts, check, relay)
    if protected is not None:
        return protected
    return await _last_rule(facts, check, relay, _rule_if_relay(found))


async def _last_rule(facts: Facts, check: CheckAccess, relay: str, relay_to: str) -> AccessChecked:
    """The rule without a map: local and existing, or allowed to relay, or denied."""
    domain = check.forward_path.rpartition("@")[2]
    if await facts.is_local(domain):
        if await facts.user_exists(check.forward_path):
            return _answer(check, Verdict.ACCEPT, rule=relay)
        return _answer(check, Verdict.REFUSE, UNKNOWN_USER)
    if relay or relay_to:
        return _answer(check, Verdict.RELAY, rule=relay or relay_to)
    return _answer(check, Verdict.REFUSE, RELAYING_DENIED)


_STAGES: Final = {Stage.CONNECT: _connect, Stage.MAIL: _mail, Stage.RCPT: _rcpt}


# ---- parts of the decision -----------------------------------------------------------------


async def _client_value(facts: Facts, check: CheckAccess) -> Found | None:
    """The first value for the client's address, name or resolution that decides."""
    client = check.client
    found = await _search(facts, check, "cltaddr", address_keys(client.address))
    if found is None and client.name:
        found = await _search(facts, check, "cltname", domain_keys(client.name))
    if found is None and client.resolve:
        found = await _search(facts, check, "cltresolve", [client.resolve.lower()])
    return found


async def _session_relay(facts: Facts, check: CheckAccess) -> str:
    """The rule by which AUTH or the certificate allow relaying, or empty."""
    client = check.client
    if client.trusted and client.auth_mechanism:
        return f"auth:{client.auth_mechanism}"
    # Only a chain that OpenSSL has verified says anything about who the client is.
    if client.tls_verify != "OK" or not client.cert_issuer:
        return ""
    found = await _search(facts, check, "certissuer", [client.cert_issuer])
    if found is not None and found.value.word == "subject" and client.cert_subject:
        found = await _search(facts, check, "certsubject", [client.cert_subject])
    return _rule_if_relay(found)


def _early_refusal(
    check: CheckAccess, client: Found | None, sender: Found | None, session: str
) -> AccessChecked | None:
    """What the delayed checks have against it; a session that may relay overrides the client's."""
    if client is not None and client.value.word not in ("ok", "relay"):
        may_override = bool(session) and not client.value.is_quick
        if not may_override:
            return _from_value(check, client)
    if sender is not None and sender.value.word != "ok":
        return _from_value(check, sender)
    return None


def _ends_search(found: Found | None) -> bool:
    """Tell whether an entry says that the map need not be asked any further."""
    return found is not None and found.value.is_quick and found.value.word in ("ok", "relay")


async def _protection(facts: Facts, check: CheckAccess, relay: str) -> AccessChecked | None:
    """Whether a protected recipient may be reached."""
    found = await _search(facts, check, "protectedrcpt", mailbox_keys(check.forward_path))
    if found is None:
        return None
    if found.value.word == "relay":
        allowed = bool(relay)
    else:
        allowed = found.value.argument.lower() in mailbox_keys(check.reverse_path)
    return None if allowed else _answer(check, Verdict.REFUSE, PROTECTED, found.rule)


async def _search(facts: Facts, check: CheckAccess, tag: str, keys: list[str]) -> Found | None:
    """Find the value of the first key there is; `cont` is no decision."""
    if not check.use_map:
        return None
    for key in keys:
        rule = f"{tag}:{key}"
        answer = await facts.lookup(rule)
        if answer.is_found:
            value = read_value(tag, answer.value, _macros(check))
            return None if value.word == "cont" else Found(value, rule)
        if answer.status is Status.NO_MORE:
            return None
    return None


def _macros(check: CheckAccess) -> dict[str, str]:
    """The facts that a reply text may name."""
    client = check.client
    return {
        "client_addr": client.address,
        "client_name": client.name,
        "helo": client.helo,
        "sender": check.reverse_path,
        "recipient": check.forward_path,
    }


def _is_routed(mailbox: str) -> bool:
    """Tell whether a local part asks the next server to send it on: `user%other@domain`."""
    return not _ROUTING_CHARACTERS.isdisjoint(mailbox.rpartition("@")[0])


def _rule_if_relay(found: Found | None) -> str:
    """The rule, if its value is relay."""
    return found.rule if found is not None and found.value.word == "relay" else ""


# ---- answers -------------------------------------------------------------------------------


def _accepted(check: CheckAccess) -> AccessChecked:
    """Nothing speaks against it."""
    return _answer(check, Verdict.ACCEPT)


def _from_value(check: CheckAccess, found: Found) -> AccessChecked:
    """The answer that a value of the map means."""
    value = found.value
    verdict = VERDICTS[value.word]
    if verdict is not Verdict.REFUSE:
        return replace(_answer(check, verdict, rule=found.rule), final=value.is_quick)
    if value.code < 500:
        verdict = Verdict.TRY_LATER
    reply = (value.code, value.enhanced_code, value.text)
    return replace(_answer(check, verdict, reply, found.rule), final=value.is_quick)


def _answer(
    check: CheckAccess, verdict: Verdict, reply: tuple[int, str, str] = (250, "2.0.0", ""),
    rule: str = "",
) -> AccessChecked:  # fmt: skip
    """Write an answer."""
    return AccessChecked(check.request_id, verdict, *reply, rule)


def _plain(error: Exception) -> str:
    """A reason as one harmless line."""
    return "".join(char if " " <= char <= "~" else "?" for char in str(error))[:200]
