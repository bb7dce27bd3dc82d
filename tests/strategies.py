"""Hypothesis strategies for items, PDUs, messages and the pieces that a stream arrives in."""

from hypothesis import strategies as st

from dcmecho.dimse import CEchoRQ, CEchoRSP
from dcmecho.items import (
    AsynchronousOperationsWindow,
    CommonExtendedNegotiation,
    ExtendedNegotiation,
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    PresentationContextAC,
    PresentationContextRQ,
    RoleSelection,
    UnknownItem,
    UserIdentityAC,
    UserIdentityRQ,
)
from dcmecho.pdu import PDV, Abort, AssociateAC, AssociateRJ, AssociateRQ, PDataTF, ReleaseRP, ReleaseRQ

octets = st.integers(0, 0xFF)
uint16s = st.integers(0, 0xFFFF)
odd_ids = st.integers(0, 127).map(lambda number: 2 * number + 1)
uids = st.text("0123456789.", min_size=1, max_size=64)
# Padding is taken off, so a text that ends in it would not come back.
names = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF), min_size=1, max_size=16)
short_bytes = st.binary(max_size=40)

_ITEM_TYPES = {0x10, 0x20, 0x21, 0x50}
_SUB_ITEM_TYPES = set(range(0x51, 0x5A))

unknown_items = st.builds(UnknownItem, octets.filter(lambda kind: kind not in _ITEM_TYPES), short_bytes)

user_information = st.one_of(
    st.builds(MaximumLength, st.one_of(st.just(0), st.integers(8, 0xFFFFFFFF))),
    st.builds(ImplementationClassUID, uids),
    st.builds(AsynchronousOperationsWindow, uint16s, uint16s),
    st.builds(RoleSelection, uids, octets, octets),
    st.builds(ImplementationVersionName, names),
    st.builds(ExtendedNegotiation, uids, short_bytes),
    st.builds(CommonExtendedNegotiation, uids, uids, st.lists(uids, max_size=3).map(tuple)),
    st.builds(UserIdentityRQ, octets, octets, short_bytes, short_bytes),
    st.builds(UserIdentityAC, short_bytes),
    st.builds(UnknownItem, octets.filter(lambda kind: kind not in _SUB_ITEM_TYPES), short_bytes),
)

contexts_rq = st.builds(PresentationContextRQ, odd_ids, uids, st.lists(uids, min_size=1, max_size=3).map(tuple))
contexts_ac = st.builds(PresentationContextAC, odd_ids, octets, uids)

_common = {
    "application_context": uids,
    "protocol_version": uint16s,
    "reserved": st.binary(min_size=32, max_size=32),
    "unknown_items": st.lists(unknown_items, max_size=2).map(tuple),
}
_information = st.lists(user_information, max_size=4).map(tuple)

associate_rqs = st.builds(
    AssociateRQ,
    names,
    names,
    st.lists(contexts_rq, min_size=1, max_size=4, unique_by=lambda context: context.context_id).map(tuple),
    _information,
    **_common,
)
associate_acs = st.builds(
    AssociateAC, names, names, st.lists(contexts_ac, max_size=4).map(tuple), _information, **_common
)
associate_rjs = st.builds(AssociateRJ, octets, octets, octets)
pdvs = st.builds(PDV, octets, st.booleans(), st.booleans(), short_bytes)
p_data_tfs = st.builds(PDataTF, st.lists(pdvs, min_size=1, max_size=4).map(tuple))
release_rqs = st.builds(ReleaseRQ)
release_rps = st.builds(ReleaseRP)
aborts = st.builds(Abort, octets, octets)

pdus = st.one_of(associate_rqs, associate_acs, associate_rjs, p_data_tfs, release_rqs, release_rps, aborts)

echo_requests = st.builds(CEchoRQ, uint16s)
echo_responses = st.builds(
    CEchoRSP,
    uint16s,
    uint16s,
    offending_elements=st.lists(st.integers(0, 0xFFFFFFFF), max_size=3).map(tuple),
    error_comment=st.one_of(st.just(""), names),
    error_id=st.one_of(st.none(), uint16s),
)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut bytes into pieces of these sizes, again and again until nothing is left."""
    pieces = []
    place = number = 0
    while place < len(data):
        size = sizes[number % len(sizes)]
        pieces.append(data[place : place + size])
        place += size
        number += 1
    return pieces


piece_sizes = st.lists(st.integers(1, 200), min_size=1, max_size=6)
