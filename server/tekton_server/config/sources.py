"""Where settings come from: flags, the environment, tekton.json; each value with the name that its author gave it."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tekton_server.config.settings import ConfigError, Settings
from tekton_server.json_places import JsonFile, NotJsonError, written
from tekton_server.sections import SECTIONS, VARIABLES

CONFIG_NAMES = ("config/tekton.json", "~/.tekton/tekton.json", "~/.tekton/config.json")
CONFIG_VARIABLE = "TEKTON_CONFIG_FILE"
# Each setting's environment variables; the first that is set wins.
ENVIRONMENT: Mapping[str, tuple[str, ...]] = {
    "host": ("TEKTON_HOST",),
    "port": ("TEKTON_PORT", "TEKTON_CORE_PORT"),
    "allowed_hosts": ("TEKTON_ALLOWED_HOSTS",),
    "grpc_port": ("TEKTON_GRPC_PORT",),
    "trusted_proxies": ("TEKTON_TRUSTED_PROXIES",),
    "data_dir": ("TEKTON_DATA_DIR",),
    "database_url": ("TEKTON_DATABASE_URL",),
    "database_password_file": ("TEKTON_DATABASE_PASSWORD_FILE",),
    "insecure": ("TEKTON_INSECURE",),
    "log_level": ("TEKTON_LOG_LEVEL",),
    "log_format": ("TEKTON_LOG_FORMAT",),
    "otlp_endpoint": ("TEKTON_OTLP_ENDPOINT",),
    **VARIABLES,
}
# What the documents print in tekton.json and nothing here reads.
DOCUMENTED: Mapping[str, tuple[str, ...]] = {
    "components": (),
    "security": ("enable_auth", "jwt_secret", "token_expiry"),
}
# In the environment their items are told apart by commas; as a flag each item is one.
_LISTS: Mapping[str, str] = {"allowed_hosts": "--allowed-host", "trusted_proxies": "--trusted-proxy"}

Warn = Callable[[str], None]


class Given(NamedTuple):
    """A value as it was found, the name by which its author knows it, and where it is, if that is another thing."""

    value: Any
    origin: str
    where: str = ""
    file: JsonFile | None = None

    def inside(self, name: str, path: tuple[str | int, ...]) -> str:
        """Name a part of it, as its author knows that: with its place, where it is from a file."""
        shown = name + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
        if self.file is None:
            return shown
        return f"{self.file.at(self.file.places.of((*_path(name), *path)))}: {shown}"


def from_flags(flags: Mapping[str, Any]) -> dict[str, Given]:
    """Give those that were given as options."""
    return {name: Given(value, flag_of(name)) for name, value in flags.items() if value is not None}


def from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, Given]]:
    """Give those that are in the environment; an empty variable is none."""
    for name, variables in ENVIRONMENT.items():
        variable = next((variable for variable in variables if environ.get(variable)), None)
        if variable is not None:
            value = environ[variable]
            yield name, Given(_items(value) if name in _LISTS else value, variable)


def _items(text: str) -> list[str]:
    return [item for item in re.split(r"[\s,]+", text) if item]


def from_file(named: str | None, warn: Warn) -> dict[str, Given]:
    """Give those in the tekton.json that was named, or in the first one that is there.

    Raises:
        ConfigError: it cannot be read, or is none.
    """
    path = Path(os.path.expanduser(named)) if named else _found()
    if path is None:
        return {}
    file = _read(path)
    section = file.content["tekton"]
    _look_over(section, file, warn)
    found: dict[str, Given] = {}
    for name, value in _flat(section):
        place = file.at(file.places.of(_path(name)))
        found[name] = Given(value, f"{place}: {name}", place, file)
    return found


def _path(name: str) -> tuple[str, ...]:
    return ("tekton", *name.split("."))


def _flat(section: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give each setting by its full name; a section that is no object stays whole, for its refusal."""
    for name, value in section.items():
        if name in SECTIONS and isinstance(value, dict):
            yield from ((f"{name}.{key}", value[key]) for key in SECTIONS[name].__struct_fields__ if key in value)
        elif name in Settings.__struct_fields__:
            yield name, value


def _read(path: Path) -> JsonFile:
    try:
        file = JsonFile(path)
    except FileNotFoundError:
        raise ConfigError(f"the configuration file {path} does not exist; create it or drop the setting") from None
    except NotJsonError as error:
        raise ConfigError(str(error)) from None
    if not isinstance(file.content, dict) or not isinstance(file.content.get("tekton"), dict):
        raise ConfigError(f'{path}: must hold an object under the key "tekton"')
    return file


def config_file(config: str | None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Give the tekton.json in use, named or found; None where there is none."""
    named = config or environ.get(CONFIG_VARIABLE)
    return Path(os.path.expanduser(named)) if named else _found()


def _found() -> Path | None:
    paths = (Path(os.path.expanduser(name)) for name in CONFIG_NAMES)
    return next((path for path in paths if path.is_file()), None)


def _look_over(section: Mapping[str, Any], file: JsonFile, warn: Warn) -> None:
    """Warn of keys that nobody knows or that are there twice, and of a lock that does not lock."""
    _know(section, {*Settings.__struct_fields__, *DOCUMENTED}, "", file, warn)
    for name in dict.fromkeys((*DOCUMENTED, *SECTIONS)):
        inner = section.get(name)
        if isinstance(inner, dict):
            read = SECTIONS[name].__struct_fields__ if name in SECTIONS else ()
            _know(inner, {*DOCUMENTED.get(name, ()), *read}, f"{name}.", file, warn)
    for path, at in file.twice:
        warn(f"{file.at(at)}: {written(path[1:])} is there twice; the last one counts")
    security = section.get("security")
    if isinstance(security, dict) and security.get("enable_auth"):
        place = file.at(file.places.of(_path("security.enable_auth"), key=True))
        warn(f"{place}: security.enable_auth has no effect: this Tekton does not authenticate anybody")


def _know(found: Iterable[str], known: set[str], prefix: str, file: JsonFile, warn: Warn) -> None:
    for key in found:
        if key not in known:
            nearest = difflib.get_close_matches(key.lower(), known, 1)
            advice = f"did you mean {prefix}{nearest[0]}?" if nearest else "remove it"
            path = ("tekton", *filter(None, [prefix.removesuffix(".")]), key)
            warn(f"{file.at(file.places.of(path, key=True))}: {prefix}{key} is not known and has no effect; {advice}")


def flag_of(name: str) -> str:
    """Give the option of a setting."""
    return _LISTS.get(name, f"--{name.replace('_', '-')}")
