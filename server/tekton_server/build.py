"""Which build this is: the version, and the day and commit it was made from."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from tekton import __version__

_ROOT = Path(__file__).resolve().parents[2]


class Build:
    """Facts about this build, found out when first asked."""

    version = __version__

    @cached_property
    def commit(self) -> str:
        """The commit of the checkout this runs from; "unknown" outside one."""
        return self._git("rev-parse", "HEAD") or "unknown"

    @cached_property
    def date(self) -> str:
        """The day of that commit, or of this file outside a checkout: YYYY-MM-DD."""
        day = self._git("show", "--no-patch", "--format=%cs", "HEAD")
        return day or datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC).date().isoformat()

    def _git(self, *arguments: str) -> str:
        git = shutil.which("git")
        if git is None or not (_ROOT / ".git").exists():
            return ""
        found = subprocess.run([git, "-C", str(_ROOT), *arguments], capture_output=True, text=True, timeout=5)
        return found.stdout.strip() if found.returncode == 0 else ""


BUILD = Build()
