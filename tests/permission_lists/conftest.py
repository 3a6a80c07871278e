from __future__ import annotations

from collections.abc import Callable

import pytest

from permission_lists.decide import Party
from permission_lists.model import PermissionList
from permission_lists.parties import resolve
from storage.reference_data import read_party_rules, read_permission_list


@pytest.fixture(scope="session")
def law() -> PermissionList:
    """The list as shipped."""
    return read_permission_list()


@pytest.fixture(scope="session")
def party() -> Callable[[str], Party]:
    """A party by its name."""

    def named(name: str) -> Party:
        found = resolve(read_party_rules(), name)
        assert found is not None, name
        return found

    return named
