"""Settings: what can be set, where it comes from (flag, environment, file, default), and what is refused."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tekton_server.config.checks import check, converted, is_loopback, problems, resolve
from tekton_server.config.settings import ConfigError, LogFormat, LogLevel, Settings, TektonFile
from tekton_server.config.sources import (
    CONFIG_NAMES,
    CONFIG_VARIABLE,
    ENVIRONMENT,
    Given,
    Warn,
    config_file,
    flag_of,
    from_environment,
    from_file,
    from_flags,
)

__all__ = [
    "CONFIG_NAMES",
    "CONFIG_VARIABLE",
    "ENVIRONMENT",
    "ConfigError",
    "Explained",
    "LogFormat",
    "LogLevel",
    "Origin",
    "Settings",
    "TektonFile",
    "config_file",
    "explain",
    "flag_of",
    "is_loopback",
    "load",
    "resolve",
]


def load(
    flags: Mapping[str, Any],
    environ: Mapping[str, str] = os.environ,
    config: str | None = None,
    warn: Warn = lambda sentence: None,
) -> Settings:
    """Gather the settings and refuse what cannot work; `warn` is told of what is only suspicious.

    Raises:
        ConfigError: naming the setting and the remedy.
    """
    given = from_file(config or environ.get(CONFIG_VARIABLE), warn) | dict(from_environment(environ))
    given |= from_flags(flags)
    settings = Settings(**converted(given))
    check(settings, given)
    if _tells_password(flags.get("database_url")):
        warn("every user of this machine can read the password in --database-url; set TEKTON_DATABASE_URL instead")
    return settings


class Origin(NamedTuple):
    """Where the value of a setting is from: `kind` is flag, environment, file or default, `where` its name there."""

    name: str
    value: Any
    kind: str
    where: str


class Explained(NamedTuple):
    """Every setting with its origin, the file that was read, and everything that is wrong or suspicious.

    `fit` is whether Tekton would start with them.
    """

    settings: Sequence[Origin]
    file: Path | None
    problems: Sequence[str]
    fit: bool


def explain(flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ, config: str | None = None) -> Explained:
    """Gather the settings as `load` does, and refuse nothing: a wrong value is a problem and shown as it was given."""
    warnings: list[str] = []
    wrong: list[str] = []
    named = config or environ.get(CONFIG_VARIABLE)
    try:
        file = from_file(named, warnings.append)
    except ConfigError as error:
        wrong.append(str(error))
        file = {}
    sources = (("flag", from_flags(flags)), ("environment", dict(from_environment(environ))), ("file", file))
    found = list(_origins(Settings(), sources, ""))
    given = file | sources[1][1] | sources[0][1]
    wrong += problems(given)
    if not wrong:
        try:
            check(Settings(**converted(given)), given)
        except ConfigError as error:
            wrong.append(str(error))
    return Explained(found, config_file(config, environ), [*warnings, *wrong], fit=not wrong)


def _origins(
    defaults: msgspec.Struct, sources: Sequence[tuple[str, Mapping[str, Given]]], prefix: str
) -> Iterator[Origin]:
    for name in defaults.__struct_fields__:
        default, full = getattr(defaults, name), prefix + name
        if isinstance(default, msgspec.Struct):
            yield from _origins(default, sources, f"{full}.")
            continue
        kind, given = next(((kind, values[full]) for kind, values in sources if full in values), ("default", None))
        if given is None:
            yield Origin(full, default, "default", "")
        else:
            yield Origin(full, given.value, kind, given.where or given.origin)


def _tells_password(url: Any) -> bool:
    return isinstance(url, str) and re.search(r"://[^/?]*:[^/?]*@|password=", url) is not None
