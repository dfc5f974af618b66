"""The name of a data directory among those of all machines: whose launches are found again by the files in it."""

from __future__ import annotations

from pathlib import Path

from tekton.core.ids import is_uuid, new_uuid
from tekton_server.host.launch_files import FOLDER

# No component can be called so: the folders beside it are named after them.
_NAME = ".place"


def place_of(data_dir: Path) -> str:
    """Give the name, and make one where there is none. A copy of the directory is another place: what the original has
    launched is not the copy's to signal.
    """
    folder = data_dir / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    file, here = folder / _NAME, str(folder.stat().st_ino)
    try:
        name, _, known = file.read_text(encoding="ascii").strip().partition(" ")
    except (FileNotFoundError, UnicodeDecodeError):
        name = known = ""
    if is_uuid(name) and known == here:
        return name
    name = new_uuid()
    fresh = file.with_name(f"{_NAME}.new")
    fresh.write_text(f"{name} {here}\n", encoding="ascii")
    fresh.replace(file)
    return name
