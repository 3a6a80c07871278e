"""The one error of this package. Its texts are constants: what was typed is never quoted."""

from __future__ import annotations


class CodebookError(ValueError):
    """A text is not what it should be: wrong length, wrong characters, wrong check digit, unknown field."""
