"""Checks at the doors of the running servers: what must not get in tries to (SC-2, SC-10, SC-18, SC-21), and the options that hold a door shut."""

from __future__ import annotations

import http.client
import ssl
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Final

from gateway.assessing.installation import Installation, program
from gateway.assessing.verdicts import Result, judged
from gateway.intermediate_server.staff.people import Rules, rules_from
from gateway.setting_up.authority import open_authority
from gateway.topology import Program
from keys.passphrase import NORMAL
from transport.role import RoleConfig
from transport.tls import Identity, client_context

_TIMEOUT_S: Final = 10.0
_PATH: Final = "/openapi.json"
_LONGEST_IDLE: Final = timedelta(hours=1)
_LONGEST_SESSION: Final = timedelta(hours=24)
_MOST_FAILURES: Final = 10
_LONGEST_PASSWORD: Final = timedelta(days=366)
_LONGEST_CARD: Final = timedelta(days=6 * 366)
_LONGEST_ACCOUNT: Final = timedelta(days=6 * 366)
_LONGEST_RESULT: Final = 90 * 86_400


def tls(installation: Installation) -> Result:
    """Servers take TLS 1.3 alone; between servers a caller without a certificate, or with one of another authority, ends in the handshake."""
    broken: list[str] = []
    away: list[str] = []
    with tempfile.TemporaryDirectory(prefix="sekisho-assess-") as folder:
        stranger = _stranger(Path(folder), installation)
        for role in installation.roles:
            if not _answers(role, client_context(_own(role), role.server.ca)):
                away.append(f"{role.role}: 応答がない (not reachable)")
                continue
            broken += [f"{role.role}: {what}" for what in _let_in(role, stranger)]
    reached = len(installation.roles) - len(away)
    return judged("tls", broken, seen=f"{reached} 個のサーバー", unverified=away)


def _let_in(role: RoleConfig, stranger: Identity) -> list[str]:
    found = []
    older = client_context(_own(role), role.server.ca)
    older.minimum_version = ssl.TLSVersion.TLSv1_2
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    if _answers(role, older):
        found.append("TLS 1.2 で接続できる (takes TLS 1.2)")
    if program(role) in (
        Program.LINKAGE,
        Program.PORTAL,
    ):  # business systems and citizens sign in by OAuth (docs/adr/0017, 0050)
        return found
    if _answers(role, client_context(None, role.server.ca)):
        found.append("証明書なしで接続できる (takes a caller without a certificate)")
    if _answers(role, client_context(stranger, role.server.ca)):
        found.append("ほかの認証局の証明書で接続できる (takes another authority's certificate)")
    return found


def _own(role: RoleConfig) -> Identity:
    return next(iter(role.hosted.values())).identity


def _stranger(folder: Path, installation: Installation) -> Identity:
    return open_authority(folder / "authority", installation.now).issue(folder / "tls", "stranger", subject="stranger")


def _answers(role: RoleConfig, context: ssl.SSLContext) -> bool:
    """Whether a call gets as far as an answer, whatever it says."""
    connection = http.client.HTTPSConnection(role.host, role.port, context=context, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", _PATH)
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    else:
        return True
    finally:
        connection.close()


def options(installation: Installation) -> Result:
    """No option of a role opens what the report says is shut: sessions, guessing, ages of passwords and cards, results, comparison."""
    broken: list[str] = []
    for role in installation.roles:
        given = role.options
        if program(role) is Program.LINKAGE and not given.get("compare_with_resident_network", True):
            broken.append(f"{role.role}: compare_with_resident_network が切られている (off)")
        if program(role) is not Program.INTERMEDIATE:
            continue
        if float(given.get("keep_result_s", 0)) > _LONGEST_RESULT:
            broken.append(f"{role.role}: keep_result_s が長すぎる (over 90 days)")
        try:
            rules = rules_from(given, NORMAL, role.port)
        except (ValueError, TypeError):
            broken.append(f"{role.role}: 職員の規則を読めない (staff options malformed)")
            continue
        broken += [f"{role.role}: {what}" for what in _lax(rules)]
    return judged("options", broken, seen=f"{len(installation.roles)} 個の役割の設定")


def _lax(rules: Rules) -> list[str]:
    limits = {
        "staff_idle": rules.idle > _LONGEST_IDLE,
        "staff_absolute": rules.absolute > _LONGEST_SESSION,
        "staff_failures": rules.failures > _MOST_FAILURES,
        "staff_password_for": rules.password_for > _LONGEST_PASSWORD,
        "staff_card_for": rules.card_for > _LONGEST_CARD,
        "staff_account_for": rules.account_for > _LONGEST_ACCOUNT,
    }
    return [f"{name} がゆるすぎる (too lax)" for name, lax in limits.items() if lax]
