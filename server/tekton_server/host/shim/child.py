"""What runs in the component's own process between the fork and its program."""

from __future__ import annotations

import ctypes
import os
import resource

from tekton_server.exec_shim import default_signals, die_with_parent, execute, places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_KILL = 9


def become(order: dict[str, Any], parent: int, out: int, err: int, report: int) -> NoReturn:
    """Turn into the program. `report` closes with that; otherwise it carries ``STAGE NUL ERRNO NUL TEXT``."""
    stage = "begin"
    try:
        os.setsid()
        _descriptors(out, err)
        stage = "cgroup"
        if order["cgroup"]:
            with open(f"{order['cgroup']}/cgroup.procs", "w", encoding="ascii") as file:
                file.write("0")
        stage = "limits"
        _limit(order)
        candidates = places(order["argv"][0], order["env"])
        # From here on nothing may be imported: whom we become need not be able to read Python's own files.
        stage = "user"
        if order["uid"] is not None:
            os.setgroups(order["groups"])
            os.setgid(order["gid"])
            os.setuid(order["uid"])
        stage = "cwd"
        os.chdir(order["cwd"])
        stage = "begin"
        os.umask(order["umask"])
        # After the change of credentials, which clears it. Without us nobody would know how it ended.
        die_with_parent(parent, _KILL)
        default_signals()
        stage = "command"
        execute(candidates, tuple(order["argv"]), order["env"])
    except BaseException as error:
        number = error.errno if isinstance(error, OSError) else 0
        text = error.strerror if isinstance(error, OSError) and error.strerror else repr(error)
        os.write(report, f"{stage}\0{number or 0}\0{text}".encode())
    os._exit(127)


def be_subreaper() -> None:
    """Have the kernel give us every orphan of what we start."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(36, 1, 0, 0, 0) != 0:  # PR_SET_CHILD_SUBREAPER
        raise OSError(ctypes.get_errno(), "the kernel has no subreapers")


def _descriptors(out: int, err: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    for number, fd in enumerate((null, out, err)):
        os.dup2(fd, number)


def _limit(order: dict[str, Any]) -> None:
    for name, value in order["rlimits"].items():
        which = getattr(resource, name)
        hard = resource.getrlimit(which)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (most, most))
    if order["nice"]:
        os.nice(order["nice"])
