"""Every right of a business system, as `<resource>:<operation>` (docs/openapi/linkage.yaml says what for)."""

from __future__ import annotations

from typing import Final

GRANTS: Final = (
    "access-log:read", "addressees:register", "business-information:change", "business-information:compare", "business-information:read",
    "business-information:register", "business-information:transfer", "clients:administer", "code-requests:cancel", "code-requests:create",
    "code-requests:replace", "code-requests:report", "holds:decide", "holds:read", "inquiries:create", "inquiry-files:spool",
    "integrated-numbers:migrate", "integrated-numbers:read", "jobs:read", "jobs:retry", "links:approve", "links:merge", "links:propose",
    "links:split", "log:read", "numbers:look-up", "persons:change", "persons:read", "persons:search", "pushes:configure",
)  # fmt: skip
