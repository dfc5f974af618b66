"""Settings: a flag beats the environment, which beats the file, which beats the default; what is wrong is named."""

from __future__ import annotations

import json
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from tekton_server import config
from tekton_server.config import ConfigError, Settings, explain, load
from tekton_server.domain.alarms import Thresholds
from tekton_server.live.resources.monitor import Terms as ResourceTerms
from tekton_server.storage.database import Terms


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home and an empty working directory: no file of the developer's own is found."""
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


def write(path: Path, **settings: Any) -> str:
    """Write a tekton.json."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"tekton": settings}))
    return str(path)


def warned(path: str) -> list[str]:
    """Give the warnings about a file."""
    found: list[str] = []
    load({}, {}, path, found.append)
    return found


def refused(flags: dict[str, Any], environ: dict[str, str] | None = None, path: str | None = None) -> str:
    """Give the sentence that refuses the settings; it is one line and says what to do."""
    with pytest.raises(ConfigError) as caught:
        load(flags, environ or {}, path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_defaults_are_the_documented_ones(home: Path) -> None:
    """TD, appendices."""
    settings = load({}, {})
    assert settings == Settings()
    assert (settings.host, settings.port, settings.log_level) == ("127.0.0.1", 8010, "info")
    assert settings.data_path == home / ".tekton" / "data"
    assert (settings.timing.interval, settings.timing.timeout) == (10, 30)


def test_a_flag_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    """Each setting for itself."""
    path = write(tmp_path / "t.json", port=1, grpc_port=11, log_level="debug", log_format="json")
    settings = load({"port": "3", "log_level": None}, {"TEKTON_PORT": "2", "TEKTON_GRPC_PORT": "12"}, path)
    assert (settings.port, settings.grpc_port, settings.log_level, settings.log_format) == (3, 12, "debug", "json")


@pytest.mark.parametrize(("name", "variables"), config.ENVIRONMENT.items())
def test_each_variable_sets_its_setting(name: str, variables: tuple[str, ...]) -> None:
    """And an empty one is as good as none."""
    values = {
        "host": ("localhost", "localhost"),
        "port": ("9", 9),
        "allowed_hosts": ("a.example, b", ("a.example", "b")),
        "grpc_port": ("9", 9),
        "trusted_proxies": ("10.0.0.0/8 fd00::/8,192.0.2.7", ("10.0.0.0/8", "fd00::/8", "192.0.2.7")),
        "data_dir": ("/d", "/d"),
        "database_url": ("postgresql://x", "postgresql://x"),
        "database_password_file": ("/run/secrets/p", "/run/secrets/p"),
        "insecure": ("TRUE", True),
        "log_level": ("WARNING", "warning"),
        "log_format": ("JSON", "json"),
        "otlp_endpoint": ("http://collector:4317", "http://collector:4317"),
        "logs.max_bytes": ("70000", 70000),
        "monitoring.enable_metrics": ("FALSE", False),
        "monitoring.history": ("70", 70),
        "resources.over_limit": ("stopped", "stopped"),
    }
    # A setting of a section takes a number.
    text, value = values.get(name) or ("7", ...)
    for variable in variables:
        found = attrgetter(name)(load({}, {variable: text}))
        assert found == (float(text) if value is ... else value)
        assert load({}, {variable: ""}) == Settings()


def test_settings_of_one_section_may_come_from_different_places(tmp_path: Path) -> None:
    """The environment sets one, the file another, and a third has its default."""
    path = write(tmp_path / "t.json", database={"pool_size": 2, "max_overflow": 0})
    database = load({}, {"TEKTON_DATABASE_POOL_SIZE": "3"}, path).database
    assert (database.pool_size, database.max_overflow, database.write_timeout) == (3, 0, 10)
    assert "TEKTON_LOGS_KEEP must be a whole number from 1 to 1000" in refused({}, {"TEKTON_LOGS_KEEP": "few"}, path)
    wrong = explain(
        {}, {"TEKTON_LOGS_KEEP": "few"}, write(tmp_path / "w.json", components=5, database={"pool_size": "x"})
    )
    assert len(wrong.problems) == 3
    assert ("database.pool_size", "x", "file") in [(one.name, one.value, one.kind) for one in wrong.settings]


def test_the_terms_of_the_database_are_its_section() -> None:
    """The defaults stand in two places, for storage knows no settings: here they are the same, each one."""
    assert load({}, {}).terms == Terms()
    assert load({}, {"TEKTON_DATABASE_LOCK_TIMEOUT": "1.5"}).terms == Terms(lock_timeout=1.5)


def test_the_terms_of_resources_are_their_sections() -> None:
    """As above; and what is not set is not asked of a machine."""
    assert load({}, {}).resource_terms == ResourceTerms()
    given = {"TEKTON_MONITORING_DISK_THRESHOLD": "70", "TEKTON_RESOURCES_GPU_MEM_FREE_MIN": "2"}
    terms = load({}, given).resource_terms
    assert terms.thresholds == Thresholds(disk_percent=70) and terms.constraints == {"gpu_mem_free_min": 2}


def test_a_threshold_can_be_taken_away_in_the_file(tmp_path: Path) -> None:
    """By null; other values are refused in words."""
    path = write(tmp_path / "t.json", monitoring={"cpu_threshold": None, "collection_interval": 2})
    assert load({}, {}, path).resource_terms == ResourceTerms(interval=2, thresholds=Thresholds(cpu_percent=None))
    wrong = {"TEKTON_MONITORING_CPU_THRESHOLD": "101"}
    assert "must be a number of percent from 0 to 100, or null for none" in refused({}, wrong)
    assert "must be event, degraded or stopped" in refused({}, {"TEKTON_RESOURCES_OVER_LIMIT": "killed"})


@pytest.mark.parametrize(
    ("given", "port"),
    [
        ({}, None),
        ({"metrics_port": 9090}, 9090),
        ({"metrics_port": 8010}, None),
        ({"metrics_port": None}, None),
        ({"metrics_port": 9090, "enable_metrics": False}, None),
    ],
)
def test_the_metrics_have_a_port_of_their_own_only_where_one_is_named(
    tmp_path: Path, given: dict[str, Any], port: int | None
) -> None:
    """One that is not the gateway's, which has them anyway, and while they are told at all."""
    assert load({}, {}, write(tmp_path / "t.json", port=8010, monitoring=given)).metrics_port == port


def test_the_newer_name_of_the_port_wins() -> None:
    """The documents know TEKTON_CORE_PORT too."""
    assert load({}, {"TEKTON_CORE_PORT": "1", "TEKTON_PORT": "2"}).port == 2


def test_files_are_looked_for_in_order(home: Path, tmp_path: Path) -> None:
    """The first that is there is the only one read; a file that was named beats them."""
    write(home / ".tekton" / "config.json", port=4)
    assert load({}, {}).port == 4
    write(home / ".tekton" / "tekton.json", port=3)
    assert load({}, {}).port == 3
    write(Path("config/tekton.json"), port=2)
    assert load({}, {}).port == 2
    variable = {"TEKTON_CONFIG_FILE": write(home / "named.json", port=1)}
    assert load({}, variable).port == 1
    assert load({}, {"TEKTON_CONFIG_FILE": "~/named.json"}).port == 1
    assert load({}, variable, write(tmp_path / "flag.json", port=5)).port == 5


def test_the_documented_file_is_taken_as_it_is_printed(tmp_path: Path) -> None:
    """Its sections that nothing reads yet are no mistakes; only a lock that does not lock is worth a word."""
    path = write(
        tmp_path / "t.json",
        host="0.0.0.0",
        port=8010,
        data_dir="/data/tekton",
        log_level="info",
        security={"enable_auth": True, "jwt_secret": "your_jwt_secret_here", "token_expiry": 3600},
        monitoring={"enable_metrics": True, "metrics_port": 9090, "collection_interval": 10},
        components={"startup_timeout": 60, "heartbeat_interval": 5, "heartbeat_timeout": 15, "auto_recover": True},
    )
    found: list[str] = []
    settings = load({"insecure": True}, {}, path, found.append)
    assert (settings.host, settings.data_dir, settings.components.heartbeat_timeout) == ("0.0.0.0", "/data/tekton", 15)
    assert settings.metrics_port == 9090
    assert found == [f"{path}:1:108: security.enable_auth has no effect: this Tekton does not authenticate anybody"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"prot": 1}, "{}:1:13: prot is not known and has no effect; did you mean port?"),
        ({"Host": "h"}, "{}:1:13: Host is not known and has no effect; did you mean host?"),
        ({"xyzzy": 1}, "{}:1:13: xyzzy is not known and has no effect; remove it"),
        ({"components": {"hartbeat_timeout": 1}}, "did you mean components.heartbeat_timeout?"),
        ({"database": {"pool": 1}}, "did you mean database.pool_size?"),
        ({"security": {"enable_aut": 1}}, "did you mean security.enable_auth?"),
    ],
)
def test_a_misspelt_key_is_warned_about(tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    """With the nearest one there is."""
    path = write(tmp_path / "t.json", **settings)
    (sentence,) = warned(path)
    assert words.format(path) in sentence


@pytest.mark.parametrize("value", ["0", "-1", "65536", "99999", "abc", "", "80.5", "8010 ", "true"])
@pytest.mark.parametrize("name", ["port", "grpc_port"])
def test_a_wrong_port_is_named_as_it_was_given(tmp_path: Path, name: str, value: str) -> None:
    """The flag, the variable, or the key and its file."""
    wanted = f"must be a whole number from 1 to 65535, not {json.dumps(value)}"
    assert refused({name: value}) == f"--{name.replace('_', '-')} {wanted}"
    if value:
        variable = config.ENVIRONMENT[name][0]
        assert refused({}, {variable: value}) == f"{variable} {wanted}"
    path = write(tmp_path / "t.json", **{name: value})
    assert refused({}, path=path) == f"{path}:1:{17 + len(name)}: {name} {wanted}"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"host": 5}, "{}:1:21: host must be an IP address or a host name, not 5"),
        ({"port": True}, "{}:1:21: port must be a whole number from 1 to 65535, not true"),
        ({"port": None}, "not null"),
        ({"allowed_hosts": "a"}, ": allowed_hosts must be a list of host names without scheme and port"),
        ({"allowed_hosts": ["https://a"]}, 'not ["https://a"]'),
        ({"allowed_hosts": ["a:80", ""]}, "without scheme and port"),
        ({"trusted_proxies": ["proxy"]}, ": trusted_proxies must be a list of networks such as 10.0.0.0/8"),
        ({"trusted_proxies": ["10.0.0.7/8"]}, 'not ["10.0.0.7/8"]'),
        ({"data_dir": ""}, ": data_dir must be the path of a directory"),
        ({"data_dir": "a\0b"}, "must be the path of a directory"),
        ({"log_level": "loud"}, 'must be debug, info, warning or error, not "loud"'),
        ({"log_format": "xml"}, 'must be console or json, not "xml"'),
        ({"insecure": "maybe"}, 'must be true or false, not "maybe"'),
        ({"components": 5}, "{}:1:27: components must be an object, not 5"),
        ({"components": {"heartbeat_timeout": "soon"}}, "{}:1:49: components.heartbeat_timeout must be a number"),
        ({"components": {"heartbeat_timeout": 1e999}}, "must be a number of seconds over 0, at most a day"),
        ({"components": {"heartbeat_interval": 0}}, "must be a number of seconds over 0"),
        ({"components": {"auto_recover": "perhaps"}}, ': components.auto_recover must be true or false, not "perhaps"'),
        ({"components": {"restarts_at_once": 0}}, "must be a whole number from 1 to 1000, not 0"),
        ({"components": {"restarts_at_once_share": 1.5}}, "must be a part of the fleet over 0, at most 1, not 1.5"),
        ({"components": {"restarts_per_minute": 0.5}}, ": components.restarts_per_minute must be a whole number"),
        ({"database": 5}, ": database must be an object, not 5"),
        ({"database": {"pool_size": 0}}, ": database.pool_size must be a whole number from 1 to 1000, not 0"),
        ({"database": {"write_timeout": -1}}, ": database.write_timeout must be a number of seconds over 0"),
        ({"logs": {"max_bytes": 5}}, ": logs.max_bytes must be a whole number of bytes from 65536 (64 KiB)"),
        ({"components": {"heartbeat_interval": 30}}, "must be less than components.heartbeat_timeout"),
        ({"port": 8011, "grpc_port": 8011}, "the one port serves gRPC too"),
        ({"monitoring": {"enable_metrics": "perhaps"}}, ': monitoring.enable_metrics must be true or false, not "per'),
        (
            {"monitoring": {"metrics_port": 0}},
            ": monitoring.metrics_port must be a whole number from 1 to 65535, not 0",
        ),
        ({"monitoring": {"metrics_port": 65536}}, "from 1 to 65535, not 65536"),
        ({"monitoring": {"metrics_port": "http"}}, 'from 1 to 65535, not "http"'),
        (
            {"grpc_port": 8011, "monitoring": {"metrics_port": 8011}},
            "monitoring.metrics_port must differ from grpc_port; leave it out: the gateway's port has /metrics too",
        ),
    ],
)
def test_a_wrong_value_in_a_file_is_refused(tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    """With what would be right."""
    path = write(tmp_path / "t.json", **settings)
    assert words.format(path) in refused({}, path=path)


def test_hosts_are_allowed_in_a_file(tmp_path: Path) -> None:
    """As names, or addresses of either kind."""
    hosts = ("tekton.example.com", "Tekton_1", "10.1.2.3", "fd00::1")
    assert load({}, {}, write(tmp_path / "t.json", allowed_hosts=hosts)).allowed_hosts == hosts


def test_an_address_with_a_password_is_never_shown(tmp_path: Path) -> None:
    """Not even where it is wrong."""
    path = write(tmp_path / "t.json", database_url=["postgresql://u:hunter2@h/x"])
    sentence = refused({}, path=path)
    assert "must be an address such as postgresql://user:password@host:5432/name" in sentence
    assert "hunter2" not in sentence


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ":1:1: is not JSON: Expecting value"),
        (b'{"tekton": {\n"port": 1,}}', ":2:11: is not JSON: "),
        (b"\xff\xfe", "is not text in UTF-8"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"tekton": {"x":' + b"[" * 5000 + b"]" * 5000 + b"}}", "is nested too deeply"),
        (b" " * (16 * 2**20 + 1), "is longer than 16 MiB"),
        (b"[]", 'must hold an object under the key "tekton"'),
        (b'{"port": 1}', 'must hold an object under the key "tekton"'),
        (b'{"tekton": 5}', 'must hold an object under the key "tekton"'),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    """With the place in it."""
    path = tmp_path / "t.json"
    path.write_bytes(content)
    sentence = refused({}, path=str(path))
    assert str(path) in sentence and words in sentence


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    """A directory is not one."""
    assert "does not exist; create it or drop the setting" in refused({}, path=str(tmp_path / "none.json"))
    assert "cannot be read: Is a directory" in refused({}, path=str(tmp_path))


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    """Some editors write one."""
    path = tmp_path / "t.json"
    path.write_bytes(b'\xef\xbb\xbf{"tekton": {"port": 7}}')
    assert load({}, {}, str(path)).port == 7


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_what_only_this_machine_reaches_needs_no_word(host: str) -> None:
    """Loopback in any spelling."""
    assert load({"host": host}, {}).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_what_others_reach_must_be_insecure_on_purpose(host: str) -> None:
    """There is no authentication to rely on."""
    sentence = refused({"host": host})
    assert sentence.startswith(f"--host {host} can be reached from other machines")
    assert "--insecure" in sentence
    assert refused({}, {"TEKTON_HOST": host}).startswith(f"TEKTON_HOST {host} can")
    assert load({"host": host, "insecure": True}, {}).host == host


@pytest.mark.parametrize("host", ["nosuch.invalid", "256.1.1.1", "127.0.0.1:8010", "[::1]", "a" * 300])
def test_a_host_that_stands_for_nothing_is_refused(host: str) -> None:
    """With --insecure too."""
    assert "cannot be resolved; use an IP address, such as 127.0.0.1" in refused({"host": host, "insecure": True})


def test_a_home_that_is_none_needs_a_data_directory() -> None:
    """Rather than a directory called ~."""
    assert "name a directory with --data-dir" in refused({"data_dir": "~nosuchuser/data"})


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"models": [{"id": "x"}]}, ":1:24: models[0] is wrong: provider is required"),
        ({"models": [{"id": "gpt-4o", "tier": "x"}]}, ": models[0].tier must be a whole number from 1 to 10"),
        ({"models": [{"id": "gpt-4o", "tire": 1}]}, ": models[0].tire is not known; did you mean tier?"),
        ({"models": [{"id": "gpt-4o"}, {"id": "gpt-4o"}]}, ": models[1] is the model gpt-4o once more"),
        ({"models": [{"id": "a//b", "tier": 1}]}, ": models[0] is wrong: id must match"),
        ({"models": {"id": "x"}}, ": models must be a list of models"),
        ({"models": [{"tier": 1}]}, ": models[0] needs id"),
        ({"budgets": [{"component_id": "c"}]}, ": budgets[0] is wrong: tokens_per_minute or max_in_flight"),
        ({"budgets": [{"max_in_flight": 1}, {"max_in_flight": 2}]}, ": budgets[1] is for the same component"),
        ({"budgets": [{"max_in_flight": 1, "cost_period": "week"}]}, "].cost_period must be hour, day or month"),
        ({"routing": {"failure_rate": 2}}, ": routing.failure_rate must be a number over 0, at most 1"),
        ({"routing": {"shipped_catalogue": False}, "models": [{"id": "gpt-4o"}]}, "provider is required"),
    ],
)
def test_a_mistake_in_models_or_budgets_is_told_with_its_place(
    tmp_path: Path, settings: dict[str, Any], expected: str
) -> None:
    """The first one, before anything starts."""
    assert expected in refused({}, path=write(tmp_path / "t.json", **settings))


def test_models_and_budgets_become_layers(tmp_path: Path) -> None:
    """What is left out of a model is None, and is taken from below."""
    models = [{"id": "gpt-4o", "component_id": "rhetor"}]
    budgets = [{"component_id": "my-app", "max_in_flight": 3}]
    path = write(
        tmp_path / "t.json", models=models, budgets=budgets, routing={"cooldown": 7, "shipped_catalogue": True}
    )
    terms = load({}, {}, path).routing_terms
    assert terms.models["gpt-4o"].component_id == "rhetor" and terms.models["gpt-4o"].tier is None
    assert terms.budgets["my_app "].max_in_flight == 3 and terms.cooldown == 7 and terms.shipped
