"""Files and folders that arguments name: looked at with the arguments, before anything is done."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def target_file(text: str) -> Path:
    """The type of an argument that names a file to be written.

    Raises ArgumentTypeError when its folder is not there or not to be written, or the name is a folder's.
    """
    path = Path(text)
    try:
        fits = path.parent.is_dir() and os.access(path.parent, os.W_OK | os.X_OK) and not path.is_dir()
    except OSError:  # no name of a file, or a folder on the way that is closed
        fits = False
    if not fits:
        raise argparse.ArgumentTypeError(
            f"{text} に書けません。フォルダーがないか、書けないか、フォルダーの名です"
            " / cannot be written: its folder is missing or closed, or it is a folder itself"
        )
    return path


def existing_folder(text: str) -> Path:
    """The type of an argument that names a folder of ours. Raises ArgumentTypeError when there is none."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(
            f"{text} というフォルダーはありません。sekisho up が作ったフォルダーを指定してください"
            " / there is no such folder; name one that sekisho up has made"
        )
    return Path(text)
