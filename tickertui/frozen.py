"""`frozen`: frozen, slotted dataclasses that cost a start next to nothing; every floor declares its values with it.

``@dataclass(frozen=True, slots=True)`` writes and compiles six methods for each class the moment it is declared, 0.8 ms
a class: 150 ms of every start for the 200 that this program has, of which a session constructs a third. Here the
methods are shared by all classes, and only the constructor is compiled, at the first construction: 0.1 ms a class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from typing import Any, Final, TypeVar, dataclass_transform, overload

T = TypeVar("T")

_NOT_GIVEN: Final = object()
"""Stands for the argument of a field whose default is made anew each time."""


@overload
def frozen(cls: type[T], /) -> type[T]: ...
@overload
def frozen(*, slots: bool = True, eq: bool = True, kw_only: bool = False) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field, Field))
def frozen(
    cls: type[T] | None = None, /, *, slots: bool = True, eq: bool = True, kw_only: bool = False
) -> type[T] | Callable[[type[T]], type[T]]:
    """Make a class a frozen dataclass, with everything that `dataclasses` offers for one but ``InitVar``.

    Args:
        cls: The class.
        slots: False keeps a ``__dict__``, for `functools.cached_property`.
        eq: Whether equal fields make equal values; False compares identity (for what holds arrays).
        kw_only: Whether the constructor takes its arguments by keyword only.

    Returns:
        The class, a new one with ``slots``; or a decorator, without ``cls``.
    """

    def decorate(plain: type[T]) -> type[T]:
        return _frozen(plain, slots=slots, eq=eq, kw_only=kw_only)

    return decorate if cls is None else decorate(cls)


def _frozen(cls: type[T], *, slots: bool, eq: bool, kw_only: bool) -> type[T]:
    if cls.__doc__ is None:
        cls.__doc__ = cls.__name__  # without one `dataclass` works the signature out, 0.5 ms
    cls = dataclass(init=False, repr=False, eq=False, kw_only=kw_only)(cls)
    if slots:
        cls = _slotted(cls)
    compared = [item.name for item in fields(cls) if item.compare]  # type: ignore[arg-type]
    shared: dict[str, Any] = {
        "__init__": _constructed_later(cls),
        "__repr__": _repr,
        "__setattr__": _refuse_to_set,
        "__delattr__": _refuse_to_delete,
        "__getstate__": _state,
        "__setstate__": _restore,
    }
    own = cls.__dict__
    if eq:
        # A single name twice: alone it would give the bare value, which compares unlike a tuple of it (NaN).
        names = compared * 2 if len(compared) == 1 else compared
        shared["_compared"] = attrgetter(*names) if names else _NOTHING
        shared["__eq__"] = _equal
        if own.get("__hash__") is None:  # also where an __eq__ of the class's own has put it there
            setattr(cls, "__hash__", _hash)  # noqa: B010 - mypy refuses the assignment
    for name, method in shared.items():
        if name not in own:
            setattr(cls, name, method)
    return cls


def _slotted(cls: type[T]) -> type[T]:
    """Return the class anew, with slots for the fields that it adds; defaults live in the constructor."""
    namespace = dict(cls.__dict__)
    inherited = {name for base in cls.__mro__[1:] for name in _slots_of(base)}
    names = [item.name for item in fields(cls)]  # type: ignore[arg-type]
    namespace["__slots__"] = tuple(name for name in names if name not in inherited)
    for name in (*names, "__dict__", "__weakref__"):
        namespace.pop(name, None)
    make: Callable[..., type[T]] = type(cls)
    new = make(cls.__name__, cls.__bases__, namespace)
    new.__qualname__ = cls.__qualname__
    return new


def _slots_of(base: type) -> Iterator[str]:
    slots = base.__dict__.get("__slots__", ())
    return iter((slots,) if isinstance(slots, str) else slots)


# ---------------------------------------------------------------------- the constructor


def _constructed_later(cls: type) -> Callable[..., None]:
    """Return a constructor that compiles the real one, puts it in its place and calls it."""

    def __init__(self: object, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        constructor = _constructor(cls)
        setattr(cls, "__init__", constructor)  # noqa: B010 - mypy refuses the assignment
        constructor(self, *args, **kwargs)

    return __init__


def _constructor(cls: type) -> Callable[..., None]:
    """Compile ``__init__`` as `dataclass` would: it sets every field and calls ``__post_init__`` where there is one."""
    names: dict[str, Any] = {"_not_given": _NOT_GIVEN, "_set": object.__setattr__}
    positional: list[str] = []
    by_keyword: list[str] = []
    body: list[str] = []
    for item in fields(cls):
        name = item.name
        value = name
        if item.default_factory is not MISSING:
            names[f"_make_{name}"] = item.default_factory
            value = f"_make_{name}() if {name} is _not_given else {name}" if item.init else f"_make_{name}()"
        elif item.default is not MISSING:
            names[f"_default_{name}"] = item.default
            value = name if item.init else f"_default_{name}"
        elif not item.init:
            continue
        if item.init:
            (by_keyword if item.kw_only else positional).append(_parameter(item))
        body.append(f" _set(self, {name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        body.append(" self.__post_init__()")
    parameters = ", ".join(["self", *positional, *(["*", *by_keyword] if by_keyword else [])])
    # Nothing but the names of the class's own fields goes into the text.
    exec(f"def __init__({parameters}):\n" + "\n".join(body or [" pass"]), names)  # noqa: S102
    constructor: Callable[..., None] = names["__init__"]
    constructor.__qualname__ = f"{cls.__qualname__}.__init__"
    return constructor


def _parameter(item: Field[Any]) -> str:
    if item.default_factory is not MISSING:
        return f"{item.name}=_not_given"
    return item.name if item.default is MISSING else f"{item.name}=_default_{item.name}"


# ---------------------------------------------------------------------- what all classes share


class _Nothing:
    """Compares no field. Not a function: that would be bound to the value as a method."""

    def __call__(self, value: object) -> tuple[()]:
        return ()


_NOTHING: Final = _Nothing()


def _equal(self: Any, other: object) -> Any:
    compared = self._compared
    return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(self._compared(self))


def _repr(self: Any) -> str:
    shown = ", ".join(f"{item.name}={getattr(self, item.name)!r}" for item in fields(self) if item.repr)
    return f"{self.__class__.__qualname__}({shown})"


def _refuse_to_set(self: object, name: str, value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: object, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, item.name) for item in fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for item, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, item.name, value)
