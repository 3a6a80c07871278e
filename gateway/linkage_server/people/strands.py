"""Which changes of a file hang together: what becomes of one depends on what another says (LS-1.2). Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

Concern = str | int
"""A person, a number or an event key that a change is about. That two kinds of them may look alike joins strands that need not be, which does no harm."""


@dataclass(slots=True, kw_only=True)
class _Strand:
    first_list: int
    last_list: int
    changes: int = 1
    unknown: bool

    def joined(self, other: _Strand) -> _Strand:
        return _Strand(
            first_list=min(self.first_list, other.first_list),
            last_list=max(self.last_list, other.last_list),
            changes=self.changes + other.changes,
            unknown=self.unknown or other.unknown,
        )


@dataclass(slots=True, repr=False)
class Strands:
    """Changes that share a concern, by way of others too, are one strand. A concern is kept as its hash: two that have one join what need not be."""

    _up: dict[int, int] = field(default_factory=dict)
    _strands: dict[int, _Strand] = field(default_factory=dict)

    def add(self, concerns: Collection[Concern], *, in_list: int, unknown: bool) -> None:
        """One change. `unknown`: its list knew nobody of its addressee number."""
        strand = _Strand(first_list=in_list, last_list=in_list, unknown=unknown)
        roots = list(dict.fromkeys(self._root(hash(one)) for one in concerns))
        for root in roots:
            self._up[root] = roots[0]
            if (other := self._strands.pop(root, None)) is not None:
                strand = strand.joined(other)
        self._strands[roots[0]] = strand

    def reaching(self, concern: Concern) -> int | None:
        """Names the strand of a concern where its changes are not judged rightly list by list: several lists have some, or who was unknown may be known
        further down.
        """
        return self._reaching(self._root(hash(concern)))

    def _reaching(self, root: int) -> int | None:
        one = self._strands.get(root)
        if one is None:
            return None
        return root if one.first_list != one.last_list or (one.unknown and one.changes > 1) else None

    def any_reaching(self) -> bool:
        return any(self._reaching(root) is not None for root in self._strands)

    def _root(self, one: int) -> int:
        up = self._up
        while (above := up.setdefault(one, one)) != one:
            up[one] = one = up[above]
        return one
