"""A scenario: who takes part, what happens step by step, what must come of it; and how a verb of it is written (`gateway.scenarios.reading` reads it)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from msgspec import Struct

DEFAULT: Final = "default"
WARD: Final = "setagaya"

Holding = Literal["none", "given", "barred"]


class Person(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Somebody synthetic. `at`: agencies that know them (none: a step brings them in); what each providing agency holds of them, and whether it may answer by itself.

    `insured_by`: the municipality whose 国民健康保険 it is. `held_for`: the agency whose records those are, which has delegated answering to it (委任元).
    `holder`: in whose name the account is.
    """

    at: list[str]
    insurance: Holding = "none"
    insured_by: str = WARD
    held_for: str | None = None
    account: Holding = "none"
    holder: Literal["own", "another"] = "own"
    unemployment: bool = False


class Words(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What a verb is given. Each verb has a form of its own."""


@dataclass(frozen=True, slots=True)
class Told:
    """One result of a verb. `kind`: whose words it takes: those of `Known.names`, of `words`, or `flag`, `count`; `several`: a list of them. Null is none of them.

    `least`, `most`: of a count.
    """

    kind: str
    words: Collection[str] = ()
    several: bool = False
    least: int = 0
    most: int = 2**53


FLAG: Final = Told("flag")


@dataclass(frozen=True, slots=True)
class Unfit:
    """A field of a step that does not fit another: there is no such name here (`known`: those that there are), or what is missing and how to `mend` it."""

    key: str
    kind: str
    name: object
    known: Collection[str] = ()
    mend: str | None = None


Names = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class Only:
    """A field that says something in some steps only. `when`: the words of the step → whether it does; `mend`: in which."""

    when: Callable[[Any], bool]
    mend: str


def nothing_more(_words: Any, _names: Names) -> Iterable[Unfit]:
    return ()


def nothing_contrary(_expect: Mapping[str, Any], _words: Any) -> Iterable[Unfit]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """How things stand before a step, by the steps before it: the earliest instant, and roles that do not run (`ended`, `hangs`).

    `wrong`: what was made wrong and not set right (`skew intermediate`, `log setagaya`); None once a command may have done either.
    """

    at: datetime
    roles: Mapping[str, str] = field(default_factory=dict)
    wrong: frozenset[str] | None = frozenset()


def stands_still(_words: Any, now: Present) -> Present | Unfit:
    return now


def nothing_left(_words: Any) -> bool:
    return False


def something_left(_words: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a verb is written. `words`: its form; `tells`: what comes of it; `refers`: field → what its text must name.

    `makes`: as what later steps may name it in `of`. `staged`: it needs somebody whom setagaya and suginami both know.
    `only`: fields that some of its steps have no use for. `fits`: what the fields must be to each other. `contrary`: what of the expected can never come
    together, or of such a step. `moves`: how things stand before the step → after it. `loads`: its field that names somebody whose insurance it brings to the ward.
    `leaves`: whether such a step leaves something behind that other scenarios in the system come upon; the time is in `moves`, and people and inquiries are
    their scenario's own. `comes_upon`: it tells something that the steps of others have a part in.
    """

    words: type[Words]
    tells: Mapping[str, Told]
    refers: Mapping[str, str] = field(default_factory=dict)
    makes: str = "step"
    staged: bool = False
    only: Mapping[str, Only] = field(default_factory=dict)
    fits: Callable[[Any, Names], Iterable[Unfit]] = nothing_more
    contrary: Callable[[Mapping[str, Any], Any], Iterable[Unfit]] = nothing_contrary
    moves: Callable[[Any, Present], Present | Unfit] = stands_still
    loads: str | None = None
    leaves: Callable[[Any], bool] = nothing_left
    comes_upon: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`line`: in its file. `name`: under which later steps refer to it. `expect`: what must come of it, of all that does."""

    line: int
    verb: str
    words: Words
    expect: Mapping[str, Any]
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`begins`, `ends`: simulated instants, as its steps move the clock. `topology`: the shipped one in which it is played.

    `first`: it tells what anybody before it would have left in the system; `last`: it leaves something there for whoever would come behind it.
    """

    file: str
    title: str
    says: str
    cites: tuple[str, ...]
    seed: int
    begins: datetime
    ends: datetime
    topology: str
    first: bool
    last: bool
    people: Mapping[str, Person]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a scenario may name: its verbs, and under each kind of name (`agency`, `role`, `switch`, …) those that there are. `begins`: the present at the start."""

    forms: Mapping[str, Form]
    names: Names
    begins: datetime
