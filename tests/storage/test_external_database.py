"""A database of the user's: how its address may be written, and what is told where it will not do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme
from sqlalchemy import text

from tekton_server import app
from tekton_server.config import ConfigError
from tekton_server.storage import engine as engines
from tekton_server.storage.database import Terms, parse_url
from tekton_server.storage.engine import connect, create_engine, writer_settings
from tekton_server.storage.errors import (
    StorageClosedError,
    StorageTooOldError,
    StorageUnavailableError,
    StorageUntrustedError,
    translated,
)
from tekton_server.storage.migrate import migrate
from tests.support.control_plane import settings_for
from tests.support.external import PASSWORD, External, running_external
from tests.support.live import opened, register

SECRET = quote(PASSWORD, safe="")


@pytest.fixture(scope="module")
def external(tmp_path_factory: pytest.TempPathFactory) -> Iterator[External]:
    """A PostgreSQL that is not Tekton's own."""
    with running_external(tmp_path_factory.mktemp("x")) as running:
        yield running


@pytest.fixture(scope="module")
def name(external: External) -> str:
    """An empty database."""
    return external.new_database()


async def reached(url: str) -> tuple[str, ...]:
    """Connect, and give what the session says of itself: alone, and from the pool."""
    database = parse_url(url)
    with translated():
        connection = await connect(database, {})
        await connection.close()
        engine = create_engine(database)
        async with engine.connect() as pooled:
            asked = "SELECT current_database(), current_setting('application_name'), current_setting('search_path')"
            found = tuple((await pooled.execute(text(asked))).one())
        await engine.dispose()
    return found


@pytest.mark.parametrize(
    "form",
    [
        "postgres://tekton:{secret}@127.0.0.1:{port}/{name}",
        "postgresql://tekton:{secret}@localhost:{port}/{name}",
        "postgresql+asyncpg://tekton:{secret}@127.0.0.1:{port}/{name}",
        "postgresql://127.0.0.1:{port}/{name}?user=tekton&password={secret}",
        "postgresql:///?host=127.0.0.1&port={port}&user=tekton&password={secret}&dbname={name}",
        "postgresql://tekton@/{name}?host={sockets}&port={port}",
        "postgresql://tekton:{secret}@/{name}?host=127.0.0.1,127.0.0.1&port=1,{port}",
        "postgresql://tekton:{secret}@127.0.0.1:{port}/{name}?sslmode=disable&connect_timeout=3",
        "postgresql://tekton:{secret}@127.0.0.1:{port}/{name}?target_session_attrs=read-write",
    ],
)
async def test_an_address_may_be_written_in_every_usual_way(external: External, name: str, form: str) -> None:
    """For the writer's own connection and for the pool alike."""
    url = form.format(secret=SECRET, port=external.port, name=name, sockets=external.sockets)
    assert await reached(url) == (name, "tekton", '"$user", public')
    assert "hunter2" not in parse_url(url).shown and "hunter2" not in repr(parse_url(url).url)


async def test_a_password_may_be_in_a_file_of_libpqs(
    external: External, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then no setting of Tekton's has it."""
    external.call(external.run("CREATE ROLE filed LOGIN PASSWORD 'hunter2'"))
    file = tmp_path / "pass"
    file.write_text("127.0.0.1:*:*:filed:hunter2\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    assert (await reached(f"postgresql://filed@127.0.0.1:{external.port}/{name}"))[0] == name


async def test_options_of_the_session_are_taken(external: External, name: str) -> None:
    """A name for the session, and settings of the server such as where tables are looked for."""
    options = quote("-csearch_path=elsewhere -cwork_mem=1MB")
    url = f"{external.socket_url(name)}&application_name=mine&options={options}"
    assert await reached(url) == (name, "mine", "elsewhere")
    assert writer_settings(parse_url(url))["application_name"] == "mine-writer"
    assert parse_url(url + "&connect_timeout=7").terms == Terms(connect_timeout=7.0)


async def test_the_writers_session_has_its_limits(external: External, name: str) -> None:
    """As the settings say."""
    terms = Terms(lock_timeout=1.5, write_timeout=4, idle_in_transaction_timeout=0.5, keepalives_idle=77)
    database = parse_url(f"postgresql://tekton:{SECRET}@127.0.0.1:{external.port}/{name}", terms)
    connection = await connect(database, writer_settings(database))
    limits = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "tcp_keepalives_idle")
    found = [await connection.fetchval(f"SHOW {limit}") for limit in limits]
    await connection.close()
    assert found == ["1500ms", "4s", "500ms", "77"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("channel_binding=require", "the option channel_binding, which Tekton does not take; known are application_n"),
        ("ssl=true", "the option ssl, which Tekton does not take; use sslmode"),
        ("pool_size=5", "use the setting database.pool_size"),
        ("keepalives_idle=5", "use the settings database.keepalives_idle"),
        ("sslmode=sometimes", "use one of disable, allow, prefer, require, verify-ca, verify-full"),
        ("sslmode=require&sslmode=require", "has the option sslmode twice"),
        ("passfile=/p", "the option passfile, which Tekton does not take; set PGPASSFILE"),
        ("sslmode=verify-full&sslrootcert=/nosuch/ca.pem", "sslrootcert=/nosuch/ca.pem, which is no file"),
        ("sslrootcert=system", "name the file with the authorities instead"),
        ("connect_timeout=soon", "no whole number of seconds from 1 to 9999"),
        ("port=99999", "the port 99999 in the database URL is none; use postgresql://"),
        ("port=5432,0", "the port 0 in the database URL is none"),
        ("host=h:5432,i:70000", "the port 70000 in the database URL is none"),
    ],
)
def test_an_option_that_nothing_understands_is_refused_by_name(query: str, words: str) -> None:
    """Rather than ignored: somebody relies on it."""
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as refused:
        parse_url(f"postgresql://u:hunter2@h/x?{query}")
    assert words in str(refused.value) and "hunter2" not in str(refused.value)


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_tls_is_used_as_the_address_says(external: External, name: str, mode: str) -> None:
    """With the authority that it names."""
    url = f"postgresql://tekton:{SECRET}@localhost:{external.tls_port}/{name}?sslmode={mode}"
    assert (await reached(f"{url}&sslrootcert={external.authority}"))[0] == name
    if mode == "require":
        assert (await reached(url))[0] == name


async def test_who_does_not_prove_to_be_the_database_is_refused(external: External, name: str, tmp_path: Path) -> None:
    """A certificate for another name, and one of another authority."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    login = f"postgresql://tekton:{SECRET}@"
    for rest in (
        f"127.0.0.1:{external.tls_port}/{name}?sslmode=verify-full&sslrootcert={external.authority}",
        f"localhost:{external.tls_port}/{name}?sslmode=verify-ca&sslrootcert={other}",
    ):
        with pytest.raises(StorageUntrustedError):
            await reached(login + rest)
        sentence = await refused(login + rest, tmp_path)
        assert "cannot be trusted ([SSL: CERTIFICATE_VERIFY_FAILED]" in sentence
        assert sentence.endswith("correct the address, or its sslmode and sslrootcert")
    with pytest.raises(StorageUnavailableError) as told:  # it has no TLS at all
        await reached(f"{login}localhost:{external.port}/{name}?sslmode=require")
    assert "rejected SSL upgrade" in str(told.value.__cause__)


async def refused(url: str, directory: Path) -> str:
    """Start a Tekton on it; give the sentence that it ends with."""
    with pytest.raises(ConfigError) as caught:
        async with app.run(settings_for(url, directory / "d")):
            pass
    assert "\n" not in str(caught.value) and "hunter2" not in str(caught.value)
    return str(caught.value)


async def test_a_wrong_password_is_told(external: External, name: str, tmp_path: Path) -> None:
    """In the database's own words."""
    url = f"postgresql://tekton:hunter2@127.0.0.1:{external.port}/{name}"
    assert 'does not let Tekton in (password authentication failed for user "tekton")' in await refused(url, tmp_path)


async def test_a_user_who_may_not_create_tables_is_told_so(external: External, tmp_path: Path) -> None:
    """Nothing is left in the database."""
    name = external.new_database()
    external.call(external.run("CREATE ROLE reader LOGIN"))
    url = external.socket_url(name).replace("tekton@", "reader@")
    sentence = await refused(url, tmp_path)
    assert "does not let Tekton in (permission denied for schema public)" in sentence
    assert sentence.endswith("correct the address, or what its user may do")


async def test_a_user_who_may_only_read_and_write_suffices_once_another_has_migrated(external: External) -> None:
    """No right of an owner, and none to create."""
    name = external.new_database()
    await migrate(parse_url(external.socket_url(name)))
    grant = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk"
    external.call(external.run(f"CREATE ROLE clerk LOGIN; {grant}", name))
    database = parse_url(external.socket_url(name).replace("tekton@", "clerk@"))
    async with opened(database.url) as live:
        await live.writer.submit(register(1))
        asked = "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
        async with live.store._engine.connect() as connection:
            names = list((await connection.execute(text(asked))).scalars())
        # What docs/database.md says: one for the writer, one that listens, and the pool's.
        assert set(names) == {"tekton", "tekton-listener", "tekton-writer"}
        assert names.count("tekton-listener") == names.count("tekton-writer") == 1


async def test_a_database_of_another_program_is_left_alone(external: External, tmp_path: Path) -> None:
    """One with a table of a name that Tekton wants, and one with migrations of its own."""
    taken, migrated = external.new_database(), external.new_database()
    external.call(external.run("CREATE TABLE journal (entry text)", taken))
    sentence = await refused(external.socket_url(taken), tmp_path)
    assert 'holds what is not Tekton\'s (relation "journal" already exists)' in sentence
    assert sentence.endswith("give Tekton a database of its own")
    kept = await external_tables(external, taken)
    assert kept == {"journal"}
    sql = "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('ae1027a6acf')"
    external.call(external.run(sql, migrated))
    with pytest.raises(Exception, match="schema ae1027a6acf, which this Tekton does not know"):
        await migrate(parse_url(external.socket_url(migrated)))


async def external_tables(external: External, name: str) -> set[str]:
    """Give the tables of a database."""
    connection = await connect(parse_url(external.socket_url(name)), {})
    found = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()
    return {row[0] for row in found}


async def test_an_old_server_is_refused(
    external: External, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first connection, whatever it is for."""
    monkeypatch.setattr(engines, "OLDEST", 99)
    url = external.socket_url(name)
    with pytest.raises(StorageTooOldError):
        await reached(url)
    assert issubclass(StorageTooOldError, StorageClosedError)
    sentence = await refused(url, tmp_path)
    assert "is too old (it is PostgreSQL " in sentence and sentence.endswith("use PostgreSQL 15 or newer")
