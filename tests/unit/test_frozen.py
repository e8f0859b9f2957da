"""`frozen`: whatever a frozen, slotted dataclass of the standard library does, these do."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from typing import ClassVar

import pytest

from tickertui.frozen import frozen


@frozen
class Point:
    """A place."""

    x: int
    y: int = 2
    tags: list[str] = field(default_factory=list)
    note: str = field(default="", compare=False, repr=False)
    LIMIT: ClassVar[int] = 9


@frozen
class Named(Point):
    """A place with a name."""

    name: str = ""


@frozen(kw_only=True)
class Switches:
    """Arguments by keyword only."""

    on: bool = False
    level: float


@frozen(eq=False)
class Holder:
    """Compared by identity."""

    content: list[int]


@frozen(slots=False)
class Cached:
    """Keeps what it has worked out."""

    base: int

    @cached_property
    def double(self) -> int:
        return 2 * self.base


@frozen
class Checked:
    """Refuses nonsense."""

    count: int
    half: float = field(init=False)

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("negative")
        object.__setattr__(self, "half", self.count / 2)


@frozen
class Empty:
    """Nothing at all."""


@frozen
class Loud:
    """Says and compares in its own way."""

    a: int

    def __repr__(self) -> str:
        return "loud"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Loud)


@frozen
class Single:
    """One field."""

    value: float


def test_the_constructor_takes_positions_keywords_and_defaults() -> None:
    assert Point(1).y == 2
    assert Point(1, 3, ["a"]).tags == ["a"]
    assert Point(x=4, note="n").note == "n"
    assert Named(1, 2, [], "", "here").name == "here"
    assert Switches(level=1.5).on is False


def test_a_default_is_made_anew_for_every_value() -> None:
    one, other = Point(1), Point(1)
    assert one.tags == []
    assert one.tags is not other.tags


@pytest.mark.parametrize("arguments", [(), (1, 2, [], "", "too many")])
def test_wrong_arguments_are_refused_from_the_first_construction_on(arguments: tuple[object, ...]) -> None:
    @frozen
    class Fresh:
        """As `Point`."""

        x: int
        y: int = 2
        tags: tuple[str, ...] = ()
        note: str = ""

    for _ in range(2):
        with pytest.raises(TypeError, match=r"Fresh\.__init__"):
            Fresh(*arguments)  # type: ignore[arg-type]


def test_positions_are_refused_where_only_keywords_are_taken() -> None:
    with pytest.raises(TypeError):
        Switches(True, 1.0)  # type: ignore[call-arg]


def test_nothing_can_be_set_or_deleted() -> None:
    point = Point(1)
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'x'"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'other'"):
        point.other = 2  # type: ignore[attr-defined]
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'x'"):
        del point.x
    assert point.x == 1


def test_there_is_no_dictionary_unless_it_is_asked_for() -> None:
    assert not hasattr(Point(1), "__dict__")
    assert not hasattr(Named(1), "__dict__")
    cached = Cached(4)
    assert cached.double == 8
    assert cached.__dict__["double"] == 8


def test_equal_fields_of_one_class_make_equal_values_with_equal_hashes() -> None:
    assert Point(1, note="a") == Point(1, note="b")
    assert Point(1) != Point(2)
    assert Point(1) != Named(1)
    assert Single(1.0) == Single(1.0)
    assert hash(Single(1.0)) == hash(Single(1.0))
    assert {Switches(level=1.0): "x"}[Switches(level=1.0)] == "x"
    assert Empty() == Empty()
    assert hash(Empty()) == hash(Empty())


def test_values_compare_as_tuples_do_also_with_a_single_field() -> None:
    nan = float("nan")
    assert Single(nan) == Single(nan)


def test_identity_is_compared_where_fields_are_not() -> None:
    content = [1]
    one = Holder(content)
    assert one == one
    assert one != Holder(content)
    assert hash(one) != hash(Holder(content))


def test_a_value_that_holds_something_unhashable_has_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Point(1))


def test_the_repr_shows_the_fields() -> None:
    assert repr(Point(1)) == "Point(x=1, y=2, tags=[])"
    assert repr(Switches(level=1.0)) == "Switches(on=False, level=1.0)"


def test_methods_of_the_class_itself_win() -> None:
    assert repr(Loud(1)) == "loud"
    assert Loud(1) == Loud(2)
    assert hash(Loud(1)) == hash(Loud(1))


def test_a_check_after_the_construction_runs_and_may_set_fields() -> None:
    assert Checked(3).half == 1.5
    with pytest.raises(ValueError, match="negative"):
        Checked(-1)


def test_it_is_a_dataclass_to_everybody() -> None:
    assert [item.name for item in fields(Named)] == ["x", "y", "tags", "note", "name"]
    assert replace(Point(1, tags=["a"]), x=5) == Point(5, tags=["a"])
    assert asdict(Single(2.0)) == {"value": 2.0}
    match Point(7, 8):
        case Point(x, y):
            assert (x, y) == (7, 8)
    assert is_dataclass(Point)


def test_values_are_copied_and_pickled() -> None:
    point = Named(1, tags=["a"], name="n")
    assert copy.copy(point) == point
    assert copy.deepcopy(point).tags is not point.tags
    assert pickle.loads(pickle.dumps(point)) == point


def test_names_of_the_class_are_those_of_the_declaration() -> None:
    assert Point.__name__ == Point.__qualname__ == "Point"
    assert Point.__doc__ == "A place."
    assert Point.__module__ == __name__


def test_it_agrees_with_the_standard_library() -> None:
    @dataclass(frozen=True, slots=True)
    class Theirs:
        """Fields of every kind."""

        a: int
        b: tuple[int, ...] = ()
        c: str = field(default="c", kw_only=True)

    @frozen
    class Ours:
        """Fields of every kind."""

        a: int
        b: tuple[int, ...] = ()
        c: str = field(default="c", kw_only=True)

    theirs, ours = Theirs(1, (2,), c="x"), Ours(1, (2,), c="x")
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
    assert hash(ours) == hash(theirs)
    assert Ours.__match_args__ == Theirs.__match_args__
    assert asdict(ours) == asdict(theirs)
