"""Lineage: which earlier results of a run went into the arguments of its next effect, as far as that can be seen.

What an effect returned is remembered as the objects it is made of. When one of those very objects is given to a later effect, the
later one was caused by the earlier, among others. Passing a result on, or a part of it, is seen; computing with it is not. The
idea is that of data provenance as in W3C PROV (``wasDerivedFrom``), kept to what costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import cast

import msgspec

from bailiwick.ids import EffectId

REMEMBERED = 64
"""Results of one run that are remembered, the newest."""

WIDTH = 64
"""How many parts of a value are looked at, on each of two levels."""

_SIMPLE = (str, bytes, int, float)
"""Made of nothing else."""

_SHARED = (bool, type(None))
"""Values of these types, and small integers, are one object everywhere."""


class Lineage:
    """What one run obtained lately."""

    __slots__ = ("_effects", "_made_by")

    def __init__(self) -> None:
        self._made_by: dict[int, EffectId] = {}
        """By identity of the object. `_effects` keeps the objects alive, so that no other one has it."""
        self._effects: dict[EffectId, tuple[object, ...]] = {}

    def obtained(self, effect: EffectId, value: object) -> None:
        """``effect`` returned ``value``."""
        if isinstance(value, _SIMPLE):
            parts = () if _is_shared(value) else (value,)
        else:
            parts = tuple(part for part in _parts(value) if not _is_shared(part))
        if not parts:
            return
        effects, made_by = self._effects, self._made_by
        if len(effects) >= REMEMBERED:
            for part in effects.pop(next(iter(effects))):
                made_by.pop(id(part), None)
        effects[effect] = parts
        for part in parts:
            made_by[id(part)] = effect

    def causes(self, args: Sequence[object], kwargs: Mapping[str, object]) -> tuple[EffectId, ...]:
        """The effects that returned what is given, or parts of it, in the order in which they are met."""
        made_by = self._made_by
        if not made_by:
            return ()
        found: dict[EffectId, None] = {}
        for value in chain(args, kwargs.values()) if kwargs else args:
            for part in (value,) if isinstance(value, _SIMPLE) else _parts(value):
                effect = made_by.get(id(part))
                if effect is not None:
                    found[effect] = None
        return tuple(found)


def _parts(value: object) -> Iterator[object]:
    """``value``, what it is made of, and what that is made of."""
    yield value
    for part in islice(_made_of(value), WIDTH):
        yield part
        yield from islice(_made_of(part), WIDTH)


def _made_of(value: object) -> Iterable[object]:
    match value:
        case list() | tuple() | set() | frozenset():
            return cast("Iterable[object]", value)
        case dict():
            return chain(cast("dict[object, object]", value).values(), cast("dict[object, object]", value))
        case msgspec.Struct():
            return (getattr(value, name) for name in value.__struct_fields__)
        case _:
            return vars(value).values() if hasattr(value, "__dataclass_fields__") and hasattr(value, "__dict__") else ()


def _is_shared(value: object) -> bool:
    return isinstance(value, _SHARED) or (type(value) is int and -6 < value < 257) or value in ("", b"", ())
