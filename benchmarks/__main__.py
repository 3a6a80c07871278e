"""`make bench`: every benchmark once, each beside what the same run measures as the limit of its parts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ALL = (
    "list_decision",
    "code_conversion",
    "evidence_speed",
    "log_append",
    "log_verification",
    "record_search",
    "first_load",
    "business_information",
    "replica_registration",
    "resealing",
    "daily_changes",
    "search",
    "online",
    "provision",
    "bulk_inquiry",
    "whole_ward",
    "held_listing",
    "many_agencies",
    "idle",
    "permits",
)


def main() -> int:
    """Run all, or those named. 0 when each ended well."""
    names = sys.argv[1:] or ALL
    worst = 0
    for name in names:
        print(f"== {name}", flush=True)
        worst = max(
            worst,
            subprocess.run(
                [sys.executable, "-m", f"benchmarks.{name}"], check=False, cwd=Path(__file__).resolve().parents[1]
            ).returncode,
        )
    return worst


if __name__ == "__main__":
    sys.exit(main())
