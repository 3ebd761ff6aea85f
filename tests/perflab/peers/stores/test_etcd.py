"""The three messages of etcd that are written by hand, against what its protocol says of bytes."""

import pytest

from perflab.peers.stores.etcd import put_request, range_request, value_of

# As protobuf itself writes them from etcd's rpc.proto: key b"k", a value of 300 bytes; and an
# answer with a header (four varints), one record (key, revisions, version, value) and a count.
VALUE = bytes(range(250)) + bytes(50)
PUT = b"\x0a\x01k\x12\xac\x02" + VALUE
HEADER = b"\x0a\x0b\x08\xff\xff\x03\x10\x80\x01\x18\x07\x20\x02"
RECORD = b"\x0a\x01k\x10\x07\x18\x87\x01\x20\x02\x2a\xac\x02" + VALUE
ANSWER = HEADER + b"\x12" + bytes([len(RECORD) & 0x7F | 0x80, len(RECORD) >> 7]) + RECORD


def test_requests() -> None:
    assert put_request("k", VALUE) == PUT
    assert range_request("k") == b"\x0a\x01k"


def test_the_value_of_an_answer() -> None:
    assert value_of(ANSWER + b"\x20\x01") == VALUE


def test_an_answer_without_records_has_no_value() -> None:
    assert value_of(HEADER) is None
    assert value_of(b"") is None


def test_a_form_that_etcd_does_not_answer_in_is_refused() -> None:
    with pytest.raises(ValueError, match="wire type 5"):
        value_of(b"\x0d\x00\x00\x00\x00")
