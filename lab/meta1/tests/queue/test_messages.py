"""Frames: what one side says the other hears, and nothing a stranger sends does harm."""

from __future__ import annotations

import json
import struct

import pytest
from effort import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meta1 import codec, messages
from meta1.codec import BadFrame, FrameReader, TooBig, decode_payload, encode_frame
from meta1.messages import (
    AccessChecked,
    CheckAccess,
    Client,
    CommitTransaction,
    Deliver,
    Hello,
    Host,
    NextHop,
    Stage,
    Text,
    Transport,
    Verdict,
)
from meta1.queue.envelope import NULL_PATH, Content, Envelope, Recipient

ENVELOPE = Envelope(
    "S000000000000000100",
    NULL_PATH,
    (Recipient("a@b.example", "FAILURE,DELAY", "rfc822;x@y.example"), Recipient("ü@b.example")),
    Content("cdb/00-1", 0, 1 << 40, 7),
    body="8BITMIME",
)
SAMPLES: list[messages.Message] = [
    Hello("qmgr", process=3),
    CommitTransaction(ENVELOPE),
    CheckAccess(1, Stage.RCPT, Client("::1", tls_verify="OK"), "a@b", "c@d", delayed=True),
    AccessChecked(1, Verdict.REFUSE, 550, "5.7.1", "no", "to:d"),
    Deliver(
        "C0000000010000000",
        "S1",
        NextHop(Transport.LMTP, "local", (Host("lmtp", "/run/lmtp"),)),
        NULL_PATH,
        ("a@b",),
        Content("cdb/1", 1, 2),
        prologue=Text("From: x\r\n\r\n"),
    ),
]

plain_values = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just([])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


def test_what_is_sent_arrives() -> None:
    """All fields, nested records and words of enumerations survive the way."""
    assert FrameReader().receive(encode_frame(SAMPLES)) == SAMPLES


def test_frames_may_arrive_byte_by_byte() -> None:
    """A reader gives each message once, however the stream is cut."""
    reader, heard = FrameReader(), []
    for byte in encode_frame(SAMPLES[:2]) + encode_frame(SAMPLES[2:]):
        heard += reader.receive(bytes([byte]))
    assert heard == SAMPLES


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    """Noise raises BadFrame or waits for more; nothing else can happen."""
    try:
        FrameReader().receive(data)
    except BadFrame:
        return


@given(json_values)
def test_any_json_is_a_message_or_refused(value: object) -> None:
    """JSON of the wrong shape raises BadFrame, never another error."""
    try:
        decode_payload(json.dumps(value).encode())
    except BadFrame:
        return


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(codec._DECODERS)), st.lists(plain_values, max_size=14))
def test_known_names_with_odd_fields_are_refused(name: str, values: list[object]) -> None:
    """A record of a known name is checked field by field."""
    try:
        decode_payload(json.dumps([[name, *values]]).encode())
    except BadFrame:
        return


@pytest.mark.parametrize(
    "record",
    [
        ["TransactionCommitted", "a\r\nb"],
        ["TransactionCommitted", "a\0"],
        ["TransactionCommitted", "\ud800"],
        ["TransactionCommitted", "x" * (codec.MAX_STRING + 1)],
        ["TransactionCommitted", 1],
        ["TransactionCommitted"],
        ["TransactionCommitted", "a", "b"],
        ["CapacityChanged", True],
        ["CapacityChanged", -1],
        ["CapacityChanged", 1.0],
        ["CapacityChanged", 1 << 63],
        ["QueueStateChanged", 1, ""],
        ["ControlQueue", 1, "x", ["a"] * (codec.MAX_ITEMS + 1)],
        ["AccessChecked", 1, "MAYBE", 250, "", "", "", False],
        ["Nothing"],
        [],
        "Hello",
    ],
)
def test_hostile_records(record: object) -> None:
    """Line ends, half characters, wrong types, sizes and names are refused."""
    with pytest.raises(BadFrame):
        decode_payload(json.dumps([record]).encode())


def test_deep_nesting_is_refused() -> None:
    """A tower of brackets does not exhaust the stack."""
    with pytest.raises(BadFrame):
        decode_payload(b"[" * 200_000)


def test_a_long_frame_is_refused_by_its_length() -> None:
    """Nothing is gathered for a frame that may not be."""
    with pytest.raises(BadFrame):
        FrameReader().receive(struct.pack("!I", codec.MAX_FRAME + 1))


def test_own_messages_must_fit() -> None:
    """A message too long for a frame is our error and is not sent."""
    with pytest.raises(TooBig):
        encode_frame([messages.ControlQueue(1, "x" * (codec.MAX_FRAME + 1))])


def test_every_message_has_a_decoder() -> None:
    """The tables are made from the union, so nothing can be forgotten."""
    assert len(codec._DECODERS) == len(codec._KINDS) == 19
