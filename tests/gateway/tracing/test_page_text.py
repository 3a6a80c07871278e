"""The page of a trace is nothing but text, whatever stands in the logs: it fetches nothing and runs nothing."""

from __future__ import annotations

from dataclasses import replace
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pages import templates
from gateway.tracing import lanes
from gateway.tracing.page import page
from tests.gateway.scenarios.test_scenario_forms import said_on_the_way_of_an_inquiry
from tests.gateway.tracing.test_page import Elements, of, provided

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></pre></title><svg onload=alert(1)>",
    "javascript:alert(1)",
    "$body ${body} $$ %s {0}",
    "<!-- block: body -->",
    "\u202egnp.exe\u2066",
    "&lt;b&gt;&amp;",
    "\x00\x1b[31m",
)  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_in_a_log_stays_text(tmp_path, hostile):
    harmless = of(tmp_path, provided(reason="reason", actor="actor", items=["item"], information="information"))
    # canonical JSON takes no lone surrogate, so nothing worse than these can be in a log
    bent = of(tmp_path, provided(reason=hostile, actor=hostile, items=[hostile], information=hostile))
    bent = replace(bent, names={"suginami": hostile, "setagaya": hostile})
    assert Elements(page(bent)).tags == Elements(page(harmless)).tags
    shown = unescape(templates.escaped(hostile))
    assert any(shown in text for text in Elements(page(bent)).texts)


@given(st.text())
def test_whatever_is_filled_in_comes_out_as_the_text_it_was(text):
    made = templates.Templates({"one": templates.Template('<p title="$a">$b</p>')}).fill("one", a=text, b=text)
    found = Elements(made)
    assert found.tags == [("p", ("title",))]
    assert "".join(found.texts).replace("\r", "\n") == unescape(templates.escaped(text)).replace("\r", "\n")


def test_the_page_fetches_and_runs_nothing(tmp_path):
    text = page(of(tmp_path, provided()))
    assert "default-src 'none'" in text
    names = {tag for tag, _ in Elements(text).tags}
    attributes = {name for _, given in Elements(text).tags for name in given}
    assert not names & {"script", "link", "img", "iframe", "object", "form", "base"}
    assert not {name for name in attributes if name.startswith("on")} | (attributes & {"src", "href", "style"})
    assert "url(" not in text
    assert "@import" not in text


def test_a_template_that_misses_a_value_is_an_error_and_not_a_hole():
    with pytest.raises(KeyError):
        templates.load("gateway.tracing").fill("fact", name="a")


def test_every_reason_that_a_server_may_refuse_an_inquiry_for_is_said_in_words():
    said = said_on_the_way_of_an_inquiry() | {"provider_answer_malformed"}
    assert [code for code in sorted(said) if lanes.reason(code) == code] == []
