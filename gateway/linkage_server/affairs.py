"""事務 known to an agency: who acts in them, and what they may see (SC-13, SC-14). Read from YAML, checked, never guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Final

import msgspec
import yaml

from codebook import yaml_depth
from codebook.four_items import Field
from gateway.api.clients import SystemRights
from gateway.own_files import OwnFileError

_CODE: Final = r"^[a-z][a-z0-9-]{1,39}\Z"
_SYSTEM: Final = r"^[a-z][a-z0-9-]{0,39}\Z"


class AffairsError(OwnFileError):
    """The list of affairs is not in good form; the message says where and what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Affair:
    """事務. `individual_number`: it may use the 個人番号; `items`: those of the four items (and the reading) that it needs;

    `all_people`: it looks after the numbers themselves, so it sees people of every business system.
    """

    code: str
    name: str
    systems: frozenset[str]
    individual_number: bool
    items: frozenset[Field]
    all_people: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Affairs:
    """All affairs of one agency by code."""

    by_code: Mapping[str, Affair]

    def of_system(self, system: str) -> list[Affair]:
        return [affair for affair in self.by_code.values() if system in affair.systems]

    def items_of(self, system: str) -> frozenset[Field]:
        """What this system needs in any of its affairs, for where no single one is stated: files and pushes."""
        return frozenset(item for affair in self.of_system(system) for item in affair.items)

    def uses_individual_number(self, system: str) -> bool:
        return any(affair.individual_number for affair in self.of_system(system))

    def may_bring(self, system: str) -> frozenset[Field]:
        """Items that a file or a registration of this system may bring (SC-14): of a system that stands in no affair nobody has said what it needs."""
        return self.items_of(system) if self.of_system(system) else frozenset(Field)

    def may_bring_individual_number(self, rights: SystemRights) -> bool:
        """Whether its client may use the 個人番号, and an affair of the system too where it stands in any (SC-13)."""
        listed = bool(self.of_system(rights.system))
        return rights.may_use_individual_number and (self.uses_individual_number(rights.system) or not listed)


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: Annotated[str, msgspec.Meta(pattern=_CODE)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    systems: Annotated[list[Annotated[str, msgspec.Meta(pattern=_SYSTEM)]], msgspec.Meta(min_length=1)]
    individual_number: bool
    items: list[Field]
    all_people: bool = False


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    affairs: Annotated[list[_Written], msgspec.Meta(min_length=1)]


def parse_affairs(text: str) -> Affairs:
    """A file of affairs. Raises AffairsError: which line or which entry, and what is wrong with it."""
    try:
        read = msgspec.convert(yaml_depth.load(text), _File)
    except yaml.MarkedYAMLError as failure:
        line = failure.problem_mark.line + 1 if failure.problem_mark else 0
        raise AffairsError(f"the file of affairs is not YAML: line {line}") from None
    except yaml.YAMLError:
        raise AffairsError("the file of affairs is not YAML") from None
    except msgspec.ValidationError as failure:
        # a configuration file of the agency: what msgspec says of it names places and types, nobody's data
        raise AffairsError(f"the file of affairs: {failure}") from None
    affairs: dict[str, Affair] = {}
    for written in read.affairs:
        if written.code in affairs:
            raise AffairsError(f"the file of affairs: {written.code} stands twice")
        for what, listed in (("systems", written.systems), ("items", written.items)):
            if len(set(listed)) != len(listed):
                raise AffairsError(f"the file of affairs: {written.code} names one of its {what} twice")
        affairs[written.code] = Affair(
            code=written.code,
            name=written.name,
            systems=frozenset(written.systems),
            individual_number=written.individual_number,
            items=frozenset(written.items),
            all_people=written.all_people,
        )
    return Affairs(by_code=affairs)


def read_affairs(path: Path | None = None) -> Affairs:
    """An agency's own file, or the one that comes with the house. Raises AffairsError."""
    if path is None:
        return parse_affairs(resources.files("gateway.linkage_server").joinpath("affairs.yaml").read_text("utf-8"))
    try:
        return parse_affairs(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        raise AffairsError(f"the file of affairs {path.name} cannot be read as UTF-8") from None


STAFF: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
"""The id of a member of staff: no name. Ten digits in a row are refused beside it (`free_text.is_safe`)."""
