"""Remembers association requests that were accepted: monitors and load balancers send the same bytes each time."""

from .items import UserIdentityRQ, find
from .pdu import HEADER_LENGTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .association import Agreement

MOST = 256
"""Requests that are remembered: a hospital has some hundreds of devices, of few kinds."""

LONGEST = 1024
"""Bytes of a request that is remembered; an ordinary one has 200 to 400."""


class Agreements:
    """What was agreed on, by the bytes of the request. All acceptors of one policy share it."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, Agreement] = {}

    def find(self, data: bytes) -> "Agreement | None":
        """Return what was agreed on when just these bytes were received."""
        return self._known.get(data)

    def remember(self, data: bytes, agreement: "Agreement") -> None:
        """Keep an agreement, in place of the oldest where there are too many. `data` are all that was received for it.

        What is long is not kept, and no request with a user identity: that is a secret.
        """
        is_whole = len(data) == HEADER_LENGTH + int.from_bytes(data[2:HEADER_LENGTH])
        if not is_whole or len(data) > LONGEST or find(agreement.request.user_information, UserIdentityRQ) is not None:
            return
        if len(self._known) >= MOST:
            del self._known[next(iter(self._known))]
        self._known[data] = agreement
