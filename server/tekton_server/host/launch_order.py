"""From a launch specification to what the shim is told: who the component will be, its environment, its limits."""

from __future__ import annotations

import hashlib
import os
import pwd
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tekton_server.domain.launch_spec import LaunchSpec, Secret
from tekton_server.host.cgroups import Cgroups
from tekton_server.host.secrets import SecretMissing, Secrets
from tekton_server.live.launching import Cause, LaunchIdentity, launch_failed

_INHERITED = ("PATH", "HOME", "LANG", "TZ")
_FALLBACK = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/", "LANG": "C.UTF-8"}
_UMASK = 0o022
_MB = 2**20


@dataclass(frozen=True)
class Surroundings:
    """What is the same for every launch. `host` and `port` are where components reach Tekton; `home` is where a
    relative or missing `cwd` starts.
    """

    host: str
    port: int
    environ: Mapping[str, str]
    secrets: Secrets
    home: Path
    log_bytes: int
    log_keep: int


def order_for(spec: LaunchSpec, identity: LaunchIdentity, around: Surroundings, base: Path) -> dict[str, Any]:
    """Make the order, all but `limits_of`. It holds secrets: never log it, never write it to a file.

    Raises:
        StartupError: it cannot be carried out, as far as can be told from here. Nothing is to be undone then.
    """
    account = _account(spec, identity)
    number = _signal(spec, identity)
    env = environment(spec, identity, around, account)
    return {
        "component_id": identity.component_id,
        "instance_uuid": identity.instance_uuid,
        "epoch": identity.epoch,
        "base": str(base),
        "argv": list(spec.command),
        "argv_hash": hashlib.sha256("\0".join(spec.command).encode(errors="surrogateescape")).hexdigest(),
        "env": env,
        "cwd": str(around.home / Path(spec.cwd or ".").expanduser()),
        "uid": account.pw_uid if account else None,
        "gid": account.pw_gid if account else None,
        "groups": os.getgrouplist(account.pw_name, account.pw_gid) if account else [],
        "umask": _UMASK,
        "nice": spec.limits.nice or 0,
        "stop_signal": number,
        "stop_grace": spec.stop_timeout,
        "log_bytes": around.log_bytes,
        "log_keep": around.log_keep,
    }


def environment(
    spec: LaunchSpec, identity: LaunchIdentity, around: Surroundings, account: pwd.struct_passwd | None
) -> dict[str, str]:
    """Give the component's whole environment: the little that programs rely on, what its specification adds, and us."""
    found = _FALLBACK | {name: around.environ[name] for name in _INHERITED if around.environ.get(name)}
    if account:
        found["HOME"] = account.pw_dir
    try:
        for name, value in spec.env.items():
            found[name] = around.secrets.get(value.secret) if isinstance(value, Secret) else value
    except SecretMissing as error:
        raise launch_failed(identity.component_id, Cause.SECRET_MISSING, str(error)) from None
    return found | {
        "TEKTON_COMPONENT_ID": identity.component_id,
        "TEKTON_INSTANCE_UUID": identity.instance_uuid,
        "TEKTON_LAUNCH_EPOCH": str(identity.epoch),
        "TEKTON_HOST": around.host,
        "TEKTON_PORT": str(around.port),
    }


def limits_of(spec: LaunchSpec, identity: LaunchIdentity, cgroups: Cgroups) -> dict[str, Any]:
    """Choose for each limit how it is kept, and make the cgroup, which alone counts all processes together.

    Raises:
        StartupError: the system refuses the cgroup.
    """
    limits = spec.limits
    wanted = {"cpu": limits.cpu, "memory": limits.memory, "processes": limits.processes}
    named = {name: value for name, value in wanted.items() if value is not None}
    rlimits: dict[str, int] = {}
    applied: dict[str, str] = {}
    path = ""
    if named and cgroups.usable:
        try:
            path = str(cgroups.make(identity.instance_uuid, limits))
        except OSError as error:
            sentence = f"its cgroup cannot be made: {error.filename}: {error.strerror}"
            raise launch_failed(identity.component_id, Cause.LIMIT_REFUSED, sentence) from error
        applied = dict.fromkeys(named, "cgroup")
    elif named:
        applied = dict.fromkeys(named, f"not kept: {cgroups.reason}")
        if limits.memory is not None:
            # Private writable memory. RLIMIT_AS would count what is only reserved or mapped, and fell healthy programs.
            rlimits["RLIMIT_DATA"] = limits.memory * _MB
            applied["memory"] = f"RLIMIT_DATA, for each process on its own: {cgroups.reason}"
    if limits.open_files is not None:
        rlimits["RLIMIT_NOFILE"] = limits.open_files
        applied["open_files"] = "RLIMIT_NOFILE"
    if limits.nice is not None:
        applied["nice"] = "nice"
    return {"cgroup": path, "rlimits": rlimits, "applied": applied}


def _account(spec: LaunchSpec, identity: LaunchIdentity) -> pwd.struct_passwd | None:
    """Give whom it has to become; None where it stays who we are."""
    ourselves = os.geteuid()
    if spec.user is None:
        if ourselves == 0:
            sentence = "Tekton runs as root and its launch specification names no user; add one"
            raise launch_failed(identity.component_id, Cause.USER_REQUIRED, sentence)
        return None
    try:
        account = pwd.getpwnam(spec.user)
    except KeyError:
        sentence = f"there is no account {spec.user!r} on this machine"
        raise launch_failed(identity.component_id, Cause.USER_UNKNOWN, sentence) from None
    if account.pw_uid == ourselves != 0:
        return None
    if ourselves != 0:
        sentence = f"it has to run as {spec.user}, and Tekton, which is not root, can only start what runs as itself"
        raise launch_failed(identity.component_id, Cause.USER_DENIED, sentence)
    return account


def _signal(spec: LaunchSpec, identity: LaunchIdentity) -> int:
    try:
        return int(signal.Signals[spec.stop_signal])
    except KeyError:
        sentence = f"this machine has no signal {spec.stop_signal}"
        raise launch_failed(identity.component_id, Cause.UNKNOWN_SIGNAL, sentence) from None
