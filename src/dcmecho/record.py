"""The base of our value classes: fields in `__slots__`, equality, hash and repr from them. Imports nothing.

(The standard library's dataclasses cost 11 ms to import, half of a whole echo.)
"""


class Record:
    """A value made of the fields that its class lists in `__slots__`."""

    __slots__: tuple[str, ...] = ()

    @classmethod
    def _names(cls) -> list[str]:
        return [name for base in cls.__mro__ for name in base.__dict__.get("__slots__", ())]

    def _fields(self) -> tuple[object, ...]:
        return tuple([getattr(self, name) for name in self._names()])

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash((type(self), self._fields()))

    def __repr__(self) -> str:
        fields = ", ".join([f"{name}={getattr(self, name)!r}" for name in self._names()])
        return f"{type(self).__name__}({fields})"
