"""What is served of the browser library: a fixed list of files, read and checked once at start.

The list is `public/inventory.json`, which the build writes: every script with its hash and the reason why a payment
page has it (PCI DSS 4.0, requirement 6.4.3). A file that is not what the list says is served to nobody: no start.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

PUBLIC: Final = Path(__file__).parent / "public"
#: Its name in the folder and in addresses.
LIST: Final = "inventory.json"

#: Ending -> media type. The longest that fits counts.
_TYPES: Final = {
    ".d.ts": "text/plain; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
}


class BrokenInventoryError(Exception):
    """The built files are not those of the list. Build them again: `make enabler`."""


class Entry(BaseModel):
    """One file of the list."""

    model_config = ConfigDict(frozen=True)

    #: One name, no path.
    name: Annotated[str, Field(pattern=r"^[a-z][a-z.-]*$")]
    bytes: int
    #: As the `integrity` attribute of a script has it.
    integrity: str
    #: Why a payment page has it.
    reason: str


class Inventory(BaseModel):
    """The list."""

    model_config = ConfigDict(frozen=True)

    #: Of the content of all files.
    release: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    files: tuple[Entry, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """One file."""

    media_type: str
    body: bytes
    #: The body, compressed.
    gzipped: bytes
    #: Strong, without its quotes. The compressed form has one of its own.
    etag: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Library:
    """All that is served."""

    #: Part of the address under which a file never changes.
    release: str
    #: By name.
    assets: Mapping[str, Asset]


def read_library(folder: Path = PUBLIC) -> Library:
    """The files of the list in this folder, the list itself, and the declarations. Raises BrokenInventoryError."""
    try:
        text = (folder / LIST).read_bytes()
        inventory = Inventory.model_validate_json(text)
        files = {entry.name: _checked(folder, entry) for entry in inventory.files}
    except (OSError, ValueError) as error:
        raise BrokenInventoryError(f"{folder / LIST} does not say what is there. Run `make enabler`.") from error
    files[LIST] = text
    files |= {f"types/{path.name}": path.read_bytes() for path in sorted(folder.glob("types/*.d.ts"))}
    return Library(release=inventory.release, assets={name: _asset(name, body) for name, body in files.items()})


def integrity_of(body: bytes) -> str:
    """As the `integrity` attribute of a script has it (W3C Subresource Integrity)."""
    return "sha384-" + base64.b64encode(hashlib.sha384(body).digest()).decode()


def _checked(folder: Path, entry: Entry) -> bytes:
    body = (folder / entry.name).read_bytes()
    if integrity_of(body) != entry.integrity:
        raise BrokenInventoryError(f"{entry.name} is not the file of {LIST}. Run `make enabler`.")
    return body


def _asset(name: str, body: bytes) -> Asset:
    media_type = next(kind for ending, kind in _TYPES.items() if name.endswith(ending))
    # Without a time in it, so that every instance has the same bytes.
    gzipped = gzip.compress(body, compresslevel=9, mtime=0)
    return Asset(media_type=media_type, body=body, gzipped=gzipped, etag=hashlib.sha256(body).hexdigest()[:32])
