"""Records are values: equal by class and fields, hashable, and shown with all their fields."""

from dcmecho.record import Record


class Point(Record):
    __slots__ = ("x", "y")

    def __init__(self, x: object, y: object) -> None:
        self.x = x
        self.y = y


class OtherPoint(Record):
    __slots__ = ("x", "y")

    def __init__(self, x: object, y: object) -> None:
        self.x = x
        self.y = y


class Named(Point):
    __slots__ = ("name",)

    def __init__(self, x: object, y: object, name: str) -> None:
        super().__init__(x, y)
        self.name = name


class Nothing(Record):
    __slots__ = ()


def test_equal_by_every_field() -> None:
    assert Point(1, 2) == Point(1, 2)
    assert Point(1, 2) != Point(1, 3)
    assert Point(1, 2) != Point(3, 2)


def test_fields_of_the_base_class_count() -> None:
    assert Named(1, 2, "a") == Named(1, 2, "a")
    assert Named(1, 2, "a") != Named(1, 3, "a")
    assert Named(1, 2, "a") != Named(1, 2, "b")


def test_another_class_is_never_equal() -> None:
    assert Point(1, 2) != OtherPoint(1, 2)
    assert Point(1, 2) != Named(1, 2, "a")
    assert Point(1, 2) != (1, 2)
    assert Nothing() == Nothing()


def test_equal_records_have_one_hash() -> None:
    assert len({Point(1, 2), Point(1, 2), Point(2, 1), OtherPoint(1, 2), Nothing(), Nothing()}) == 4


def test_repr_shows_every_field() -> None:
    assert repr(Point(1, "a")) == "Point(x=1, y='a')"
    assert repr(Named(1, 2, "n")) == "Named(name='n', x=1, y=2)"
    assert repr(Nothing()) == "Nothing()"


def test_records_have_no_dict() -> None:
    assert not hasattr(Point(1, 2), "__dict__")
