"""The enabler's sources with the packages of its lock file, in a folder of its own under `build/`."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from support.commercetools_servers import MissingToolError

ROOT = Path(__file__).parent.parent.parent
ENABLER = ROOT / "enabler"
_PACKAGES = ("package.json", "package-lock.json", ".npmrc")
_SOURCES = ("build.mjs", "tsconfig.json", "tsconfig.build.json", "src", "check")


def packages() -> Path:
    """A folder with `node_modules` as the lock file has it. Raises MissingToolError."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise MissingToolError("the enabler's build needs Node.js 20 or newer with npm; on Debian: nodejs npm")
    content = b"".join((ENABLER / name).read_bytes() for name in _PACKAGES)
    folder = ROOT / "build" / f"enabler-{hashlib.sha256(content).hexdigest()[:12]}"
    if folder.exists():
        return folder
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        for name in _PACKAGES:
            shutil.copy(ENABLER / name, made)
        command = [npm, "ci", "--ignore-scripts", "--silent"]
        done = subprocess.run(command, cwd=made, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise MissingToolError(f"npm could not install the enabler's packages: {done.stderr.strip()[-300:]}")
        try:
            # In one step, since several test processes may come here at once: the first one wins.
            Path(made).rename(folder)
        except OSError:
            if not folder.exists():
                raise
        Path(made).mkdir(exist_ok=True)
    return folder


def copy_sources(folder: Path) -> Path:
    """The sources, with those packages, below this folder; where to build."""
    place = folder / "enabler"
    place.mkdir()
    for name in (*_PACKAGES, *_SOURCES):
        source = ENABLER / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, place / name)
    (place / "node_modules").symlink_to(packages() / "node_modules")
    return place
