"""Presentations with one thing bent in them, which a provider must refuse."""

from __future__ import annotations

from datetime import timedelta

from evidence.canonical import timestamp
from gateway.conformance.trial import LIFE, Presented, Trial
from keys import labels
from keys.signing import Signer, generate_seed
from partner.messages import octets, text


def tampered(trial: Trial) -> Presented:
    """Another item in the claims under the signature of the first."""
    presented, other = trial.presented(), trial.presented(request={"items": ()})
    head, _, signature = presented.item["permit"].split(".")
    bent = ".".join((head, other.item["permit"].split(".")[1], signature))
    return Presented(item={**other.item, "permit": bent}, claims=other.claims, one_time_key=other.one_time_key)


def expired(trial: Trial) -> Presented:
    past = trial.now - timedelta(seconds=1)
    times = {"issued_at": timestamp(past - LIFE), "redeem_by": timestamp(past), "answer_by": timestamp(past)}
    return trial.presented(request={"expires_at": past}, claims=times)


def longer_than_signed(trial: Trial) -> Presented:
    return trial.presented(claims={"answer_by": timestamp(trial.now + 2 * LIFE)})


def other_signature(trial: Trial) -> Presented:
    presented = trial.presented()
    forged = Signer(generate_seed()).sign(labels.INQUIRY, octets(presented.item["request"]))
    return Presented(
        item={**presented.item, "signature": text(forged)}, claims=presented.claims, one_time_key=presented.one_time_key
    )


def other_request(trial: Trial) -> Presented:
    presented, other = trial.presented(), trial.request()
    item = {**presented.item, "request": text(other.request), "signature": text(other.signature)}
    return Presented(item=item, claims=presented.claims, one_time_key=presented.one_time_key)
