"""What is watched of evidence logs and their committers."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

LOG_SIZE = Gauge("sekisho_log_size", "Entries in an evidence log", ["log"])
LOG_WRITE_FAILURES = Counter("sekisho_log_write_failures", "Transactions of the evidence log that failed", ["log"])
COMMIT_SECONDS = Histogram(
    "sekisho_commit_seconds",
    "One grouped transaction of a log",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2),
)
COMMIT_BATCH = Histogram(
    "sekisho_commit_batch", "Commits in one grouped transaction", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
)
OLDEST_WAITING = Gauge("sekisho_commit_oldest_seconds", "Age of the oldest commit that still waits", ["log"])
QUEUE_DEPTH = Gauge("sekisho_queue_depth", "Items waiting", ["queue"])
