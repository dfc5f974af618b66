"""`tekton up` with a database of the user's: over TLS and with a password, which is nowhere to be seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import psutil
import pytest

from tests.support.external import PASSWORD, External, running_external
from tests.support.ports import free_port
from tests.support.processes import Up, environment, run

BODY = {"component_name": "A", "component_type": "ui", "version": "1.0.0"}


@pytest.fixture(scope="module")
def external(tmp_path_factory: pytest.TempPathFactory) -> Iterator[External]:
    """A PostgreSQL that is not Tekton's own."""
    with running_external(tmp_path_factory.mktemp("x")) as running:
        yield running


def address(external: External, name: str) -> str:
    """The address that its user would write."""
    secret = quote(PASSWORD, safe="")
    return (
        f"postgres://tekton:{secret}@localhost:{external.tls_port}/{name}"
        f"?sslmode=verify-full&sslrootcert={external.authority}&sslpassword=hunter2"
    )


def test_over_tls_it_keeps_what_it_was_told_and_shows_no_password(external: External, tmp_path: Path) -> None:
    """Not on the console, in a log, in what `tekton config show` prints, or in a list of processes."""
    url = address(external, external.new_database())
    env = environment(tmp_path, TEKTON_DATABASE_URL=url)
    path = "/api/tekton/components"
    with Up(tmp_path / "data", free_port(), "--log-level", "debug", env=env) as up:
        up.ready()
        assert httpx.post(up.url + path, json=BODY | {"component_id": "kept"}).status_code == 201
        commands = [" ".join(one.cmdline()) for one in [psutil.Process(up.pid), *psutil.Process(up.pid).children()]]
        assert up.stop() == 0
    shown = run("config", "show", env=env, cwd=tmp_path).stdout
    logs = [one.read_text() for one in (tmp_path / "data" / "logs").iterdir()]
    for text in (up.text, shown, *logs, *commands):
        assert "hunter2" not in text
    with Up(tmp_path / "data", free_port(), env=env) as up:
        up.ready()
        assert httpx.get(f"{up.url}{path}/kept").status_code == 200
        assert up.stop() == 0


def test_a_password_in_an_option_is_warned_about(tmp_path: Path) -> None:
    """Every user of the machine can read it there."""
    url = "postgresql://u:hunter2@127.0.0.1:1/x"
    with Up(tmp_path / "data", free_port(), "--database-url", url) as up:
        assert up.wait() == 1
    assert "every user of this machine can read the password" in up.text
    assert "TEKTON_DATABASE_URL" in up.text and "hunter2" not in up.text
