"""PS3.8 Table 9-10, typed from the page column by column, one state at a time: event -> (action, next state).

A next state of two numbers is a choice: AE-6 (the request is acceptable, or not), AR-8 (we are the requestor, or not).
Whatever is not listed is an empty cell.
"""

Cell = tuple[str, tuple[int, ...]]

# In Sta3, Sta5 to Sta12 a PDU that is not expected is answered alike.
_PROVIDER_ABORTS: dict[int, Cell] = dict.fromkeys((3, 4, 6, 10, 12, 13, 19), ("AA-8", (13,)))
_ENDS: dict[int, Cell] = {15: ("AA-1", (13,)), 16: ("AA-3", (1,)), 17: ("AA-4", (1,))}
_ASSOCIATION: dict[int, Cell] = _PROVIDER_ABORTS | _ENDS

BY_STATE: dict[int, dict[int, Cell]] = {
    1: {1: ("AE-1", (4,)), 5: ("AE-5", (2,))},
    2: {
        3: ("AA-1", (13,)),
        4: ("AA-1", (13,)),
        6: ("AE-6", (3, 13)),
        10: ("AA-1", (13,)),
        12: ("AA-1", (13,)),
        13: ("AA-1", (13,)),
        16: ("AA-2", (1,)),
        17: ("AA-5", (1,)),
        18: ("AA-2", (1,)),
        19: ("AA-1", (13,)),
    },
    3: _ASSOCIATION | {7: ("AE-7", (6,)), 8: ("AE-8", (13,))},
    4: {2: ("AE-2", (5,)), 15: ("AA-2", (1,)), 17: ("AA-4", (1,))},
    5: _ASSOCIATION | {3: ("AE-3", (6,)), 4: ("AE-4", (1,))},
    6: _ASSOCIATION | {9: ("DT-1", (6,)), 10: ("DT-2", (6,)), 11: ("AR-1", (7,)), 12: ("AR-2", (8,))},
    7: _ASSOCIATION | {10: ("AR-6", (7,)), 12: ("AR-8", (9, 10)), 13: ("AR-3", (1,))},
    8: _ASSOCIATION | {9: ("AR-7", (8,)), 14: ("AR-4", (13,))},
    9: _ASSOCIATION | {14: ("AR-9", (11,))},
    10: _ASSOCIATION | {13: ("AR-10", (12,))},
    11: _ASSOCIATION | {13: ("AR-3", (1,))},
    12: _ASSOCIATION | {14: ("AR-4", (13,))},
    13: {
        3: ("AA-6", (13,)),
        4: ("AA-6", (13,)),
        6: ("AA-7", (13,)),
        10: ("AA-6", (13,)),
        12: ("AA-6", (13,)),
        13: ("AA-6", (13,)),
        16: ("AA-2", (1,)),
        17: ("AR-5", (1,)),
        18: ("AA-2", (1,)),
        19: ("AA-7", (13,)),
    },
}
