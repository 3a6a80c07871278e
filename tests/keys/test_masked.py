from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import pprint
import traceback

import pytest

from keys.masked import Masked, Plaintext, Secret

MARK = "mark-4711"


class Name(Masked[str]):
    __slots__ = ()


@dataclasses.dataclass(frozen=True)
class Holder:
    name: Name
    deeper: tuple[Name, ...]


HOLDER = Holder(name=Name(MARK), deeper=(Name(MARK),))

WAYS_TO_PRINT = {
    "repr": repr,
    "str": str,
    "f-string": lambda value: f"{value}",
    "f-string with a width": lambda value: f"{value:>40}",
    "f-string with !r": lambda value: f"{value!r}",
    "percent": lambda value: "%s %r" % (value, value),  # noqa: UP031  (the way under test)
    "format": "{}".format,
    "list": lambda value: str([value, {value: value}]),
    "pprint": pprint.pformat,
    "dataclass repr": lambda value: repr(Holder(name=value, deeper=(value,))),
    "asdict": lambda value: repr(dataclasses.asdict(Holder(name=value, deeper=(value,)))),
    "json with default=str": lambda value: json.dumps([value], default=str),
    "deep copy": lambda value: repr(copy.deepcopy([value])),
    "copy": lambda value: repr(copy.copy(value)),
    "dir": lambda value: repr([getattr(value, name, None) for name in dir(value) if not name.startswith("_")]),
}


@pytest.mark.parametrize("way", WAYS_TO_PRINT.values(), ids=WAYS_TO_PRINT.keys())
def test_printing_shows_the_class_and_not_the_content(way):
    printed = way(Name(MARK))
    assert MARK not in printed


def test_the_name_of_the_class_is_what_prints():
    assert (repr(Secret(b"x")), str(Plaintext(b"x")), f"{Name(MARK)}") == ("<Secret>", "<Plaintext>", "<Name>")


def test_logging_shows_no_content(caplog):
    logging.getLogger("masked").warning("value %s and %r and %s", Name(MARK), Name(MARK), HOLDER)
    assert "<Name>" in caplog.text
    assert MARK not in caplog.text


def test_a_traceback_with_its_locals_shows_no_content():
    value = Name(MARK)
    try:
        int(value)  # type: ignore[call-overload]
    except TypeError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "value = <Name>" in shown
    assert MARK not in shown


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_refuses(protocol):
    with pytest.raises(TypeError):
        pickle.dumps(HOLDER, protocol)


def test_getstate_refuses():
    with pytest.raises(TypeError):
        Name(MARK).__getstate__()


def test_plain_json_refuses():
    with pytest.raises(TypeError) as error:
        json.dumps({"name": Name(MARK)})
    assert MARK not in str(error.value)


def test_reveal_gives_the_content():
    assert (Name(MARK).reveal(), Secret(b"k").reveal()) == (MARK, b"k")


def test_there_is_no_dict_to_look_into():
    assert not hasattr(Name(MARK), "__dict__")


def test_equality_holds_within_a_class_and_not_across():
    assert Name(MARK) == Name(MARK)
    assert Name(MARK) != Name("other")
    assert Secret(b"x") != Plaintext(b"x")
    assert Name(MARK) != MARK
    assert len({Name(MARK), Name(MARK), Name("other")}) == 2


def test_text_beyond_ascii_compares():
    assert Name("個人\ud800") == Name("個人\ud800")


def test_a_masked_value_does_not_change():
    value = Name(MARK)
    with pytest.raises(AttributeError):
        value.extra = 1
    with pytest.raises(AttributeError):
        value._Masked__value = "other"
    with pytest.raises(AttributeError):
        del value._Masked__value
    assert value.reveal() == MARK
