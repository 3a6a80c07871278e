"""The limits of one agency, read from the options of its role."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from gateway.intermediate_server.agency import Limits
from gateway.intermediate_server.operations.disclosure import DEFAULT_THRESHOLD, LEAST_THRESHOLD
from gateway.intermediate_server.staff.reporting import ANALYSED_FOR
from storage.resealing.job import SETTLE_S, SHARE
from transport.role import RoleConfig

_ENDED_KEEP_S: Final = ANALYSED_FOR.total_seconds()
"""As long as a yearly analysis of the access log reads back: it asks whose relations staff were, and staff what stood in the way."""


def limits_of(config: RoleConfig, agency: str) -> Limits:
    """Of one agency: what option `agencies` says of it, else what holds for all."""
    options = {**config.options, **config.options.get("agencies", {}).get(agency, {})}
    return Limits(
        answer_within=timedelta(seconds=float(options.get("answer_within_s", 3 * 24 * 3600))),
        keep_result=timedelta(seconds=float(options.get("keep_result_s", 7 * 24 * 3600))),
        resend_after=timedelta(seconds=float(options.get("resend_after_s", 5))),
        acquisition_within=timedelta(seconds=float(options.get("acquisition_within_s", 24 * 3600))),
        replaced_code_for=timedelta(seconds=float(options.get("replaced_code_s", 30 * 24 * 3600))),
        statistics_threshold=max(LEAST_THRESHOLD, int(options.get("statistics_threshold", DEFAULT_THRESHOLD))),
        jobs_kept_for=timedelta(seconds=float(options.get("jobs_keep_s", 90 * 24 * 3600))),
        ended_kept_for=timedelta(seconds=float(options.get("ended_keep_s", _ENDED_KEEP_S))),
        escalate_before=timedelta(seconds=float(options.get("held_escalate_s", 24 * 3600))),
        reseal_settle_s=float(options.get("reseal_settle_s", SETTLE_S)),
        reseal_share=float(options.get("reseal_share", SHARE)),
    )
