"""Checks the folders in which Errata stores its files: whether they are folders, and whether this user may use them.

Folders that do not exist yet are made when a file is stored in them. Nothing is made or changed here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bot.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from bot.settings import Settings


def all_folders(settings: Settings) -> dict[Path, str]:
    """The folders, each with the variable that sets its place. The data folder comes before the folders in it."""
    inside = (settings.data, settings.snapshots, settings.uploads, settings.profiles)
    return {**dict.fromkeys(inside, "ERRATA_DATA"), settings.models: "ERRATA_MODELS"}


def require(folder: Path, variable: str) -> None:
    """Checks a folder. Raises SettingsError where its path is a file, or where this user may not read and write in
    it."""
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise SettingsError(
            "{path} is not a folder, but Errata keeps files in a folder of this name. Move it away (Errata makes the "
            "folder itself), or set {variable} to another place.",
            code="folder_is_a_file",
            path=str(folder),
            variable=variable,
        )
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise SettingsError(
            "This user may not read and write in the folder {path}. Give it to this user (chown), or set {variable} to "
            "another place.",
            code="folder_closed",
            path=str(folder),
            variable=variable,
        )


def require_file(path: Path, variable: str) -> None:
    """Checks a file. Raises SettingsError where its path is a folder."""
    if path.is_dir():
        raise SettingsError(
            "{path} is a folder, but Errata keeps a file of this name. Move the folder away, or set {variable} to "
            "another place.",
            code="file_is_a_folder",
            path=str(path),
            variable=variable,
        )


def require_all(settings: Settings) -> None:
    """Checks all folders. Raises SettingsError for the first one that cannot be used."""
    for folder, variable in all_folders(settings).items():
        require(folder, variable)
