"""A data directory of this release, copied whole while nothing runs, is a backup."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx

from tests.faults.test_supervision import get, register
from tests.support.ports import free_port
from tests.support.processes import Up


def test_a_copied_data_directory_is_a_tekton_with_the_same_history(short_tmp: Path) -> None:
    """The present code starts on it; what was registered later in the original is not in it."""
    with Up(short_tmp / "d", free_port()) as up:
        up.ready()
        assert register(up, "kept").status_code == 201
        assert up.stop() == 0
    shutil.copytree(short_tmp / "d", short_tmp / "copy", ignore=shutil.ignore_patterns("*.sock"))
    with Up(short_tmp / "d", free_port()) as up, Up(short_tmp / "copy", free_port()) as copied:
        up.ready()
        copied.ready()
        assert register(up, "later").status_code == 201
        path = "/api/tekton/components/kept"
        mine, theirs = get(up, path), get(copied, path)
        assert (mine.status_code, theirs.status_code) == (200, 200)
        assert _history(mine) == _history(theirs)
        assert get(copied, "/api/tekton/components/later").status_code == 404
        assert copied.stop() == 0
        assert up.stop() == 0


def _history(answer: httpx.Response) -> str:
    return answer.headers["tekton-revision"].partition(".")[0]
