"""Refusals that repeat: the first of a kind at once, the others of its minute in one record, in bounded memory."""

from __future__ import annotations

import pytest

from storage.database import StorageUnavailableError
from transport.refusals import Refusals


class Log:
    """What was written, with a clock that the test moves; while it is `away` nothing is written."""

    def __init__(self):
        self.written = []
        self.now = 1_000.0
        self.away = False
        self.refusals = Refusals(self.write, others=None, now=lambda: self.now, most=1_000)

    async def write(self, reason, client_id, count):
        if self.away:
            raise StorageUnavailableError("away")
        self.written.append((reason, client_id, count))

    def wait(self, seconds):
        self.now += seconds


async def test_the_first_is_written_at_once_and_the_others_of_its_minute_share_an_entry():
    log = Log()
    for _ in range(500):
        await log.refusals.record("token_invalid", None)
    assert log.written == [("token_invalid", None, 1)]
    log.wait(60)
    await log.refusals.flush()
    assert log.written[1:] == [("token_invalid", None, 499)]


async def test_the_first_after_a_minute_carries_those_before_it():
    log = Log()
    for _ in range(3):
        await log.refusals.record("token_invalid", None)
    log.wait(61)
    await log.refusals.record("token_invalid", None)
    assert log.written == [("token_invalid", None, 1), ("token_invalid", None, 3)]


async def test_a_clock_that_goes_back_hides_nothing():
    log = Log()
    await log.refusals.record("token_invalid", None)
    log.wait(-3_600)
    await log.refusals.record("token_invalid", None)
    assert log.written == [("token_invalid", None, 1)] * 2


async def test_reasons_and_callers_are_told_apart():
    log = Log()
    await log.refusals.record("scope_missing", "kokuho")
    await log.refusals.record("scope_missing", "zeimu")
    await log.refusals.record("invalid_client", "kokuho")
    assert len(log.written) == 3


async def test_what_cannot_be_written_is_counted_until_it_can():
    log = Log()
    log.away = True
    with pytest.raises(StorageUnavailableError):
        await log.refusals.record("token_invalid", None)
    log.away = False
    await log.refusals.record("token_invalid", None)
    assert log.written == [("token_invalid", None, 2)]


async def test_the_end_of_the_server_writes_what_is_counted():
    log = Log()
    for _ in range(3):
        await log.refusals.record("token_invalid", None)
    await log.refusals.flush(all_of_them=True)
    assert [count for _, _, count in log.written] == [1, 2]


async def test_ten_thousand_callers_fill_neither_the_memory_nor_the_log():
    log = Log()
    for nth in range(10_000):
        await log.refusals.record("scope_missing", f"client-{nth}")
    assert len(log.refusals._counts) <= 1_001
    assert len(log.written) <= 1_001
    log.wait(61)
    await log.refusals.flush()
    log.wait(61)
    await log.refusals.flush()
    assert log.refusals._counts == {}
    assert sum(count for _, _, count in log.written) == 10_000
