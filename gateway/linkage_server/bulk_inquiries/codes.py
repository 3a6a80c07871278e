"""事務・事務手続・特定個人情報名・機関のコード: what the codes of an inquiry file are here. Pure; the data stand in YAML beside it.

A provider is named by its 機関コード, or by the municipality of the former address: five digits, a ward of a designated city stands for
its city (DOMAIN §1.4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

import yaml

from codebook import yaml_depth
from codebook.layouts import Layout
from gateway.linkage_server import free_text
from gateway.own_files import OwnFileError
from transport.register import Register

_CODE: Final = 16
_MUNICIPALITY: Final = 5


class CodesError(OwnFileError):
    """A file of codes does not have its form. The message says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """事務手続: what for, and under which item of the permission list, by basis."""

    purpose: str
    items: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """Everything that an agency's inquiry files may name. Procedures by (事務コード, 事務手続コード)."""

    procedures: Mapping[tuple[str, str], Procedure]
    information: Mapping[str, str]
    agencies: Mapping[str, str]
    municipalities: Mapping[str, str]
    abroad: frozenset[str]
    wards: Mapping[str, str]

    def provider(self, code: str) -> str | None:
        """The agency of a 機関コード or of the municipality of a former address; None when there is none."""
        if len(code) == _MUNICIPALITY:
            return self.municipalities.get(self.wards.get(code, code))
        return self.agencies.get(code)


def parse(
    text: str, cities: str, *, layouts: Iterable[Layout], agencies: Mapping[str, str], where: str = "codes.yaml"
) -> Codes:
    """From the YAML text of the codes and that of the designated cities. `agencies`: 機関コード → agency id. Raises CodesError."""
    try:
        raw = yaml_depth.load(text)
        procedures = {
            (_code(affair["code"]), _code(procedure["code"])): Procedure(
                purpose=_purpose(procedure["name"]),
                items={str(key): str(item) for key, item in procedure["items"].items()},
            )
            for affair in raw["affairs"]
            for procedure in affair["procedures"]
        }
        information = {_code(one["code"]): str(one["name"]) for one in raw.get("information", ())}
        municipalities = {_digits(code): str(agency) for code, agency in raw.get("municipalities", {}).items()}
        abroad = frozenset(_digits(code) for code in raw.get("abroad", ()))
        wards = _wards(yaml.load(cities, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError):
        raise CodesError(
            f"{where}: affairs with procedures, information, municipalities and abroad, as in ours"
        ) from None
    if set(municipalities) & set(wards):
        raise CodesError(f"{where}: a ward of a designated city stands for its city; name the city instead")
    return Codes(
        procedures=procedures,
        information={**{layout.code: layout.information for layout in layouts}, **information},
        agencies=agencies,
        municipalities=municipalities,
        abroad=abroad,
        wards=wards,
    )


class CodesOfAgencies(Mapping[str, str]):
    """機関コード → agency, of the register in force."""

    def __init__(self, register: Callable[[], Register]) -> None:
        self._register = register
        self._read: Register | None = None
        self._codes: dict[str, str] = {}

    def _now(self) -> dict[str, str]:
        if (register := self._register()) is not self._read:
            self._read, self._codes = register, {one.code: one.id for one in register.agencies.values()}
        return self._codes

    def __getitem__(self, code: str) -> str:
        return self._now()[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())


def _wards(raw: Any) -> dict[str, str]:
    return {
        _digits(ward): _digits(city["code"])
        for city in raw["cities"]
        for ward in (*city["wards"], *city.get("former", ()))
    }


def _code(value: object) -> str:
    if not isinstance(value, str) or len(value) != _CODE or not value.isascii() or not value.isalnum():
        raise ValueError("a code has 16 letters and digits")
    return value


def _digits(value: object) -> str:
    if not isinstance(value, str) or len(value) != _MUNICIPALITY or not value.isascii() or not value.isdigit():
        raise ValueError("a municipality has five digits")
    return value


def _purpose(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 100 or not free_text.is_safe(value):
        raise ValueError("a name of 1 to 100 characters")
    return value


@cache
def _shipped(name: str) -> str:
    return (resources.files("gateway.linkage_server.bulk_inquiries") / name).read_text(encoding="utf-8")


def read_codes(path: Path | None, *, layouts: Iterable[Layout], agencies: Mapping[str, str]) -> Codes:
    """An agency's codes, ours unless it has a file of its own. Raises CodesError."""
    try:
        text = _shipped("codes.yaml") if path is None else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise CodesError("inquiry_codes: the file cannot be read as UTF-8 text") from None
    return parse(
        text,
        _shipped("designated_cities.yaml"),
        layouts=layouts,
        agencies=agencies,
        where="codes.yaml" if path is None else path.name,
    )
