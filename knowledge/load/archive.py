"""Checks whether a ZIP is safe to unpack, before any reader of DOCX, XLSX, PPTX, ODT or EPUB gets it. Unpacks only the
start of XML members.

The sizes in a ZIP's directory may be wrong. A member that is larger than stated does no harm to readers that stop at
the stated size, as Python's does; other readers reach the memory limit.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING
from xml.parsers import expat

from knowledge.load.errors import Damaged, Protected, TooLarge, Unsupported

if TYPE_CHECKING:
    from knowledge.load.values import Limits

RATIO_FROM_BYTES = 20_000_000  # smaller members may have any ratio: a sheet of equal rows has a high one
PROLOG_BYTES = 65_536  # the first element of an office file is in its first kilobyte
_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def check(data: bytes, limits: Limits, *, kind: str) -> None:
    """Raises Unsupported, Protected, Damaged or TooLarge unless the content is a harmless package of XML."""
    if data.startswith(_OLD_OFFICE):
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise Protected("The file is protected by a password. Save it without one.", code="file_locked")
        raise Unsupported("The file has the old Office format. Save it as {kind}.", code="file_old_office", kind=kind)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            members = package.infolist()
            _check_sizes(members, limits)
            for member in members:
                if member.filename.lower().endswith((".xml", ".rels")):
                    _check_prolog(package, member)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise Damaged(
            "The file is not a {kind} file or is damaged ({reason}). Save it again.",
            code="file_damaged",
            kind=kind,
            reason=error,
        ) from None


def _check_sizes(members: list[zipfile.ZipInfo], limits: Limits) -> None:
    if len(members) > limits.members:
        raise TooLarge(
            "The file has {parts:,} parts; the limit is {limit:,}.",
            code="file_many_parts",
            parts=len(members),
            limit=limits.members,
        )
    unpacked = sum(member.file_size for member in members)
    if unpacked > limits.unpacked_bytes:
        raise TooLarge(
            "The file unpacks to {size:,.0f} MB; the limit is {limit:,.0f} MB. Split it into smaller files.",
            code="file_unpacked_size",
            size=unpacked / 1e6,
            limit=limits.unpacked_bytes / 1e6,
        )
    for member in members:
        if member.flag_bits & 0x1:
            raise Protected("The file is protected by a password. Save it without one.", code="file_locked")
        if member.file_size > max(RATIO_FROM_BYTES, limits.unpacked_ratio * member.compress_size):
            raise TooLarge(
                "A part of the file unpacks to more than {factor} times its size. Only files that are made to stop "
                "programs do that, so it is not read.",
                code="file_bomb",
                factor=limits.unpacked_ratio,
            )


class _EnoughError(Exception):
    """Raised at the first element, to end the parsing."""


def _check_prolog(package: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Raises Damaged for a declared entity. Office files have no document type, and only there can entities be
    declared."""
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = _stop
    with package.open(member) as part:
        start = part.read(PROLOG_BYTES)
    try:
        parser.Parse(start, len(start) < PROLOG_BYTES)
    except _EnoughError:
        return
    except expat.ExpatError as error:
        raise Damaged(
            "A part of the file is not XML ({reason}). Save it again from the program that made it.",
            code="file_part_no_xml",
            reason=error,
        ) from None
    raise Damaged("A part of the file does not begin as office programs write it.", code="file_part_foreign")


def _refuse(*_declaration: object) -> None:
    raise Damaged(
        "The file declares XML entities, which no office program does. It is not opened.", code="file_entities"
    )


def _stop(*_element: object) -> None:
    raise _EnoughError
