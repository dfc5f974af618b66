"""components.json, dependencies.json and ports.json: what they say, and every word of what is wrong with them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tekton_server.config import ConfigError
from tekton_server.domain.launch_spec import LaunchSpec, Limits, Restart, Secret
from tekton_server.fleet_files import FILES, folder, kind_of, load_fleet, read_file, schema
from tekton_server.fleet_together import together
from tekton_server.json_places import Places, written
from tekton_server.judging import judge

NAMES = [
    "command",
    "env",
    "limits",
    "memory",
    "nice",
    "restart",
    "backoff",
    "max",
    "burst",
    "stop_signal",
    "user",
    "secret",
]
WHOLE = {
    "$schema": "components.schema.json",
    "components": {
        "engram": {
            "component_name": "Engram",
            "component_type": "memory",
            "version": "1.0.0",
            "port": 8000,
            "capabilities": ["memory_storage"],
            "dependencies": ["hermes"],
            "metadata": {"team": "a"},
            "launch": {
                "command": ["python", "-m", "engram"],
                "cwd": "engram",
                "env": {"MODE": "prod", "KEY": {"secret": "engram_key"}},
                "user": "engram",
                "restart": {
                    "policy": "always",
                    "burst": 3,
                    "interval": 60,
                    "backoff": {"initial": 0.5, "max": 20},
                },
                "stop_signal": "SIGINT",
                "stop_timeout": 5,
                "startup_timeout": 90,
                "limits": {"cpu": 1.5, "memory": 512, "processes": 64, "open_files": 1024, "nice": 5},
            },
        },
        "hermes": {},
    },
}


def put(home: Path, name: str, content: Any) -> Path:
    """Write a file, as text or as JSON."""
    path = home / f"{name}.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2))
    return path


def launch(**more: Any) -> dict[str, Any]:
    """A components.json with one component that is launched so."""
    return {"components": {"engram": {"launch": {"command": ["true"]} | more}}}


def test_the_files_of_a_directory_are_one_fleet(tmp_path: Path) -> None:
    """An id is found whether it is written with - or _; dependencies of both files count, each once."""
    put(tmp_path, "components", WHOLE)
    put(tmp_path, "dependencies", {"dependencies": {"engram": ["hermes", "rhetor"], "my-ui": ["engram"]}})
    put(tmp_path, "ports", {"ports": {"engram": 9999, "hermes": 8001}})
    fleet = load_fleet(tmp_path)
    spec = fleet.launch_spec("engram")
    assert spec is not None and spec.command == ("python", "-m", "engram")
    assert spec.env == {"MODE": "prod", "KEY": Secret("engram_key")} and spec.limits.memory == 512
    assert fleet.launch_spec("hermes") is None and fleet.launch_spec("nobody") is None
    assert fleet.depends_on("engram") == ("hermes", "rhetor") and fleet.depends_on("my_ui") == ("engram",)
    assert (fleet.port("engram"), fleet.port("hermes"), fleet.port("rhetor")) == (8000, 8001, None)
    assert fleet.home == tmp_path


def test_the_examples_of_the_documentation_are_right(tmp_path: Path) -> None:
    """And the defaults that it names are the defaults."""
    text = (Path(__file__).parents[2] / "docs" / "launching.md").read_text()
    examples = [json.loads(one) for one in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    assert [kind for one in examples for kind in one] == ["components", "dependencies", "ports"]
    for one in examples:
        put(tmp_path, next(iter(one)), one)
    spec = load_fleet(tmp_path).launch_spec("engram")
    assert spec is not None
    told = msgspec.structs.replace(spec, cwd=None, env={}, user=None, limits=Limits())
    assert told == LaunchSpec(command=("python", "-m", "engram"))


def test_no_files_are_an_empty_fleet(tmp_path: Path) -> None:
    """And a specification needs its command alone."""
    assert load_fleet(tmp_path).components == {}
    put(tmp_path, "components", launch())
    assert load_fleet(tmp_path).launch_spec("engram") == LaunchSpec(command=("true",))
    assert LaunchSpec(command=("true",)).restart == Restart(policy="on_failure")


@pytest.mark.parametrize(
    ("launching", "key", "words"),
    [
        ({"command": "python -m engram"}, "command", "must be a list of words that begins with the program"),
        ({"command": []}, "command", "must be a list of words"),
        ({"command": ["a", 1]}, "command[1]", "must be a text without NUL"),
        ({"comand": ["a"]}, "comand", "is not known; did you mean command?"),
        ({"stop_signal": "TERM"}, "stop_signal", 'must be the name of a signal, such as SIGTERM, not "TERM"'),
        ({"stop_signal": "SIGNONE"}, "stop_signal", "must be a signal of this machine, not SIGNONE"),
        ({"startup_timeout": 0}, "startup_timeout", "must be a number of seconds over 0, at most a day, not 0"),
        ({"restart": {"policy": "yes"}}, "restart.policy", 'must be never, on_failure or always, not "yes"'),
        ({"restart": {"burst": 0}}, "restart.burst", "must be a whole number from 1 to 1000, not 0"),
        ({"restart": {"backoff": {"max": "1m"}}}, "restart.backoff.max", "must be a number of seconds"),
        ({"restart": {"backoff": {"initial": 9, "max": 2}}}, "restart.backoff", "begins with 9 s, above its max"),
        ({"restart": "always"}, "restart", 'must be an object, not "always"'),
        ({"limits": {"memory": 1.5}}, "limits.memory", "must be a whole number of MB"),
        ({"env": {"A=B": "x"}}, 'env["A=B"]', "must be a name of 1 to 256 characters without ="),
        ({"env": {"KEY": 12345}}, "env.KEY", 'must be a text, or {"secret": "NAME"}'),
        ({"env": {"KEY": {"secret": "../../etc"}}}, "env.KEY.secret", "must be a name of letters"),
        ({"env": {"KEY": {"file": "x"}}}, "env.KEY", "needs secret"),
        ({"env": {"TEKTON_HOST": "x"}}, "env.TEKTON_HOST", "is Tekton's own to set"),
        ({"user": ""}, "user", 'must be the name of an account, not ""'),
    ],
)
def test_a_wrong_launch_specification_is_told_with_its_key(
    tmp_path: Path, launching: dict[str, Any], key: str, words: str
) -> None:
    """And with the place of that key in the file."""
    path = put(tmp_path, "components", launch(**launching))
    _, problems = read_file(path, "components")
    told = next(one for one in problems if f" components.engram.launch.{key} {words}" in one)
    line, column = map(int, told.removeprefix(f"{path}:").split(":")[:2])
    assert path.read_text().splitlines()[line - 1][column - 1] in '"[{0123456789'


def test_every_problem_is_told_at_its_line_and_column(tmp_path: Path) -> None:
    """In the order of the file, not the first one only; a key that is there twice too."""
    path = put(
        tmp_path,
        "components",
        """{
  "components": {
    "engram": {
      "port": 80000,
      "lunch": {},
      "launch": {"command": ["x"], "restart": {"burst": "five"}, "command": ["y"]}
    },
    "Rhetor": {"launch": {}}
  }
}""",
    )
    assert read_file(path, "components")[1] == [
        f"{path}:4:15: components.engram.port must be a whole number from 1 to 65535, not 80000",
        f"{path}:5:7: components.engram.lunch is not known; did you mean launch?",
        f'{path}:6:57: components.engram.launch.restart.burst must be a whole number from 1 to 1000, not "five"',
        f"{path}:6:66: components.engram.launch.command is there twice",
        f"{path}:8:5: components.Rhetor must be a component id: a small letter, then at most 62 small letters, "
        'digits, - and _, not "Rhetor"',
        f"{path}:8:26: components.Rhetor.launch needs command",
    ]


def test_a_refusal_shows_no_value_of_an_environment_variable(tmp_path: Path) -> None:
    """Somebody may have put a password there."""
    path = put(tmp_path, "components", launch(env={"KEY": ["s3cret"]}))
    assert "s3cret" not in str(read_file(path, "components")[1])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("components", {"components": {"a-b": {}, "a_b": {}}}, ":4:5: components.a_b is the same component as a-b"),
        (
            "components",
            {"components": {"a": {"dependencies": ["a"]}}},
            "a.dependencies[0] depends on itself",
        ),
        (
            "components",
            {"components": {"a": {"version": "one"}}},
            ":4:18: components.a.version must be a semantic version",
        ),
        ("components", {"components": {"a": {"host": "http://a"}}}, "components.a.host must be a host name or an IP"),
        ("components", {"components": {"a": {"capabilities": ["x", " "]}}}, "a.capabilities[1] must not be empty"),
        (
            "components",
            {"components": {"a": {"metadata": json.loads('{"x":' * 20 + "1" + "}" * 20)}}},
            "components.a.metadata must be nested at most 16 levels deep",
        ),
        (
            "components",
            {"components": {"a": {"component_name": "a\u202eb"}}},
            "component_name must not contain control or invisible",
        ),
        ("dependencies", {"dependencies": {"a": "b"}}, 'dependencies.a must be a list of component ids, not "b"'),
        ("dependencies", {"dependencies": {"a_b": ["b", "a-b"]}}, "dependencies.a_b[1] depends on itself"),
        ("ports", {"ports": {"a": 8000, "b": 8000}}, "ports.b is 8000, which is a's already"),
        ("ports", {"ports": {"a": 0}}, "ports.a must be a whole number from 1 to 65535, not 0"),
        ("ports", {"port": {}}, ":2:3: port is not known; did you mean ports?"),
        ("ports", {}, ":1:1: needs ports"),
        ("ports", [], ":1:1: must be an object, not []"),
        ("ports", '{"ports": {"a": 1,}}', ":1:19: is not JSON: "),
        ("ports", "\ufeff{}x", ":1:3: is not JSON: Extra data"),
        ("ports", "[" * 100_000, "is nested too deeply"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, name: str, content: Any, words: str) -> None:
    """And a start that reads it is refused with the first of it."""
    path = put(tmp_path, name, content)
    _, problems = read_file(path, name)
    assert any(words in one for one in problems), problems
    with pytest.raises(ConfigError) as error:
        load_fleet(tmp_path)
    assert str(error.value).startswith(problems[0])


def test_bytes_that_are_no_text_and_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """Never a traceback."""
    (tmp_path / "ports.json").write_bytes(b"\xff\xfe{")
    (tmp_path / "components.json").mkdir()
    assert "is not text in UTF-8" in read_file(tmp_path / "ports.json", "ports")[1][0]
    assert "cannot be read: Is a directory" in read_file(tmp_path / "components.json", "components")[1][0]


def test_the_files_are_looked_for_beside_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the tekton.json that is named or found; without one in ./config, then in ~/.tekton."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert folder(str(tmp_path / "else" / "t.json"), {}) == tmp_path / "else"
    assert folder(None, {"TEKTON_CONFIG_FILE": "/etc/tekton/tekton.json"}) == Path("/etc/tekton")
    (tmp_path / "home" / ".tekton").mkdir(parents=True)
    put(tmp_path / "home" / ".tekton", "ports", {"ports": {}})
    assert folder(None, {}) == tmp_path / "home" / ".tekton"
    (tmp_path / "config").mkdir()
    put(tmp_path / "config", "components", {"components": {}})
    assert folder(None, {}) == Path("config")


def test_what_stands_in_the_place_of_a_file_and_is_none_is_not_passed_over(tmp_path: Path) -> None:
    """A link that leads nowhere, a directory: neither is no file at all."""
    (tmp_path / "components.json").symlink_to(tmp_path / "gone.json")
    with pytest.raises(ConfigError, match=r"components\.json: does not exist"):
        load_fleet(tmp_path)
    (tmp_path / "components.json").unlink()
    (tmp_path / "ports.json").mkdir()
    with pytest.raises(ConfigError, match=r"ports\.json: cannot be read"):
        load_fleet(tmp_path)


def test_what_the_files_say_together_is_judged_too(tmp_path: Path) -> None:
    """Each is right by itself, and nothing of it could be started; where Tekton is not root it needs no user."""
    launch = {"command": ["x"]}
    put(tmp_path, "components", {"components": {"a-x": {"dependencies": ["b"], "launch": launch}, "b": {}}})
    put(tmp_path, "dependencies", {"dependencies": {"b": ["a_x"]}})
    cycle = f"{tmp_path}: a-x needs b needs a-x: a start of these is refused; take one of the dependencies away"
    assert together(tmp_path, root=False) == [cycle]
    user, also = together(tmp_path, root=True)
    assert "components.json:" in user and "components.a-x.launch needs user" in user and also == cycle


def test_words_and_names_that_no_process_can_be_given_are_told_in_words(tmp_path: Path) -> None:
    launch = {"command": ["x\0"], "env": {"A=": "v"}}
    _, said = read_file(put(tmp_path, "components", {"components": {"a": {"launch": launch}}}), "components")
    assert any("command[0] must be a text without NUL" in one for one in said)
    assert any('env["A="] must be a name of 1 to 256 characters without =' in one for one in said)
    assert not any("regex" in one for one in said)


def test_a_file_is_known_by_its_name_or_by_what_it_holds(tmp_path: Path) -> None:
    """So a new one may be checked under any name."""
    assert kind_of(tmp_path / "ports.json") == "ports"
    assert kind_of(put(tmp_path, "new", {"dependencies": {}})) == "dependencies"
    assert kind_of(put(tmp_path, "new", {"tekton": {}})) is None
    assert kind_of(tmp_path / "nosuch.json") is None


def test_the_schemas_accept_what_is_right_and_refuse_what_is_wrong() -> None:
    """Made from the records, so an editor and a start agree; the pattern language is that of JSON Schema."""
    jsonschema.Draft202012Validator(schema("components")).validate(WHOLE)
    assert r"\\Z" not in json.dumps(schema("components")) and "(?a)" not in json.dumps(schema("components"))
    for wrong in (launch(command="x"), launch(nosuch=1), launch(env={"A": 1}), {"components": {"A": {}}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema("components"))
    jsonschema.validate({"tekton": {"port": 8010, "security": {"enable_auth": True}}}, schema("tekton"))
    for name in FILES:
        jsonschema.Draft202012Validator.check_schema(schema(name))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    ),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_every_value_of_any_json_is_found_where_it_stands(value: Any, indent: int | None, plain: bool) -> None:
    """Reading on from its place gives the value again."""
    text = json.dumps(value, indent=indent, ensure_ascii=plain)
    places = Places(text)
    lines = text.split("\n")
    reader = json.JSONDecoder(strict=False)

    def look(one: Any, path: tuple[str | int, ...]) -> None:
        place = places.of(path)
        at = sum(len(line) + 1 for line in lines[: place.line - 1]) + place.column - 1
        assert reader.raw_decode(text, at)[0] == one
        for key, inner in one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ():
            look(inner, (*path, key))

    look(value, ())
    assert places.twice == []


SMALL = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-30, 2000)
    | st.floats(0, 100)
    | st.sampled_from(["", "x", "SIGTERM", "never"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(NAMES), SMALL, max_size=4))
def test_what_nothing_is_said_of_can_be_read_and_the_other_way_round(launch: dict[str, Any]) -> None:
    """Two readers, one opinion: the one that tells all problems, and the one that makes the records."""
    value = {"command": ["true"]} | launch
    try:
        msgspec.convert(value, LaunchSpec)
    except msgspec.ValidationError:
        assert [*judge(value, LaunchSpec)]
    else:
        assert [*judge(value, LaunchSpec)] == []


def test_paths_are_written_as_people_do() -> None:
    """Dots between names, brackets around numbers and around what is no name."""
    assert written(("components", "a-b", "command", 0)) == "components.a-b.command[0]"
    assert written(("env", "A B")) == 'env["A B"]'
    assert written(()) == ""


@pytest.fixture
def launching(tmp_path: Path) -> Path:
    """A components.json of ours, in a directory of ours, that says what is started."""
    home = tmp_path / "config"
    home.mkdir(mode=0o755)
    file = home / "components.json"
    file.write_text(json.dumps({"components": {"engram": {"launch": {"command": ["engram"]}}}}))
    file.chmod(0o644)
    assert set(load_fleet(home).launchable()) == {"engram"}
    return file


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666, 0o622])
def test_a_file_that_others_may_write_to_starts_nothing(launching: Path, mode: int) -> None:
    """Who writes it runs programs as us: it is refused with the remedy."""
    launching.chmod(mode)
    with pytest.raises(ConfigError, match=rf"others may write to it; run chmod go-w {re.escape(str(launching))}"):
        load_fleet(launching.parent)
    launching.write_text(json.dumps({"components": {"engram": {"port": 8000}}}))
    assert load_fleet(launching.parent).launchable() == {}


@pytest.mark.parametrize(("mode", "refused"), [(0o775, True), (0o757, True), (0o1777, False), (0o755, False)])
def test_a_directory_in_which_others_may_replace_the_file_starts_nothing(
    launching: Path, mode: int, refused: bool
) -> None:
    """In a sticky one nobody can replace what is another's."""
    launching.parent.chmod(mode)
    if not refused:
        assert load_fleet(launching.parent).launchable()
        return
    with pytest.raises(ConfigError, match="others may write to it"):
        load_fleet(launching.parent)


def test_a_link_is_followed_to_the_file_that_counts(launching: Path, tmp_path: Path) -> None:
    """Wherever that is."""
    open_to_all = tmp_path / "open"
    open_to_all.mkdir(mode=0o700)
    (open_to_all / "fleet.json").write_text(launching.read_text())
    (open_to_all / "fleet.json").chmod(0o666)
    launching.unlink()
    launching.symlink_to(open_to_all / "fleet.json")
    with pytest.raises(ConfigError, match=r"fleet\.json says what Tekton starts"):
        load_fleet(launching.parent)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_starts_nothing(launching: Path) -> None:
    """Root's and ours do."""
    os.chown(launching, 65534, 65534)
    with pytest.raises(ConfigError, match="belongs to another user"):
        load_fleet(launching.parent)


def test_tekton_itself_has_no_launch_specification(tmp_path: Path) -> None:
    """It may be described all the same."""
    file = tmp_path / "components.json"
    file.write_text(json.dumps({"components": {"tekton-core": {"launch": {"command": ["x"]}}}}))
    assert "tekton_core is Tekton itself" in read_file(file, "components")[1][0]
    file.write_text(json.dumps({"components": {"tekton_core": {"port": 8010}}}))
    assert read_file(file, "components")[1] == []


def test_of_very_much_that_is_wrong_the_rest_is_counted(tmp_path: Path) -> None:
    """A large file takes no longer for it than a moment, and nobody reads ten thousand lines."""
    path = put(tmp_path, "ports", {"ports": {f"c{number}": 1 + number % 3 for number in range(10_000)}})
    _, problems = read_file(path, "ports")
    assert len(problems) == 201
    assert problems[0] == f"{path}:6:11: ports.c3 is 1, which is c0's already"
    assert problems[-1] == f"{path}: and 9797 more like these"


def test_a_value_that_is_nested_as_deeply_as_can_be_read_can_be_refused(tmp_path: Path) -> None:
    """What is read can be shown, whatever Python has left of its stack by then."""
    for levels in range(900, 1000, 7):
        path = put(tmp_path, "ports", '{"ports": {"a": ' + "[" * levels + "]" * levels + "}}")
        (problem,) = read_file(path, "ports")[1]
        assert "ports.a must be a whole number" in problem or problem.endswith("is nested too deeply")
