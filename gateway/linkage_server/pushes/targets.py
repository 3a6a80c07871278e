"""Where changes are pushed to (LS-1.5, LS-1.6): a webhook of the business system, or a folder of its spool. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

from keys.masked import Secret

LONGEST_URL = 300


class TargetKind(StrEnum):
    WEBHOOK = "webhook"
    FOLDER = "folder"


class TargetState(StrEnum):
    ON = "on"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """A system is told of results: up to which place of the intermediate server's log, and of files that were finished since."""

    year: int
    index: int
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One business system's target. `url`, `secret`: of a webhook; `encoding`: of files, utf-8 or cp932.

    `person_revision`, `addressee_revision`: up to where changes were taken in hand. `results`: None when results are not told.
    """

    system: str
    kind: TargetKind
    url: str
    encoding: str
    secret: Secret | None
    state: TargetState
    person_revision: int
    addressee_revision: int
    configured_at: datetime
    results: Results | None = None


class UrlRefused(StrEnum):
    """Why a webhook is not called."""

    MALFORMED = "url_malformed"
    NOT_ALLOWED = "url_host_not_allowed"


def check_url(url: str, hosts: Collection[str]) -> UrlRefused | None:
    """A URL that we may call: https, a host and port that the agency's configuration names, no user, query or fragment.

    `hosts`: `host` or `host:port`; without a port it is 443. Whoever configures a push must not make us call anybody else (SSRF).
    """
    if len(url) > LONGEST_URL or not url.isascii() or any(one <= " " or one in "\\\x7f" for one in url):
        return UrlRefused.MALFORMED
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return UrlRefused.MALFORMED
    if parts.scheme != "https" or not host or "@" in parts.netloc or parts.query or parts.fragment:
        return UrlRefused.MALFORMED
    named = {one if ":" in one else f"{one}:443" for one in (each.lower() for each in hosts)}
    return None if f"{host}:{port or 443}" in named else UrlRefused.NOT_ALLOWED


_LONGEST_WAIT_S = 3_600.0


def wait_s(attempts: int, first_s: float) -> float:
    """Seconds until the next attempt after so many that failed: doubled each time, an hour at most."""
    return float(min(first_s * 2 ** min(attempts - 1, 20), _LONGEST_WAIT_S))
