"""What runs in a child between the fork and the program: run by path with ``python -I -S``; host.shim imports parts.

Work between fork and exec cannot be done in the parent's image: with gRPC's threads alive a ``preexec_fn`` may find any
lock taken for ever. A fresh, single-threaded interpreter may do what it likes, and the process id survives its exec.

Arguments: the parent's pid, the death signal, the fd of the report pipe, whom to become, then the program's own argv.
The report pipe closes silently when the program replaces this one; otherwise it carries the reason.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000


def enter_user_namespace(uid: int, gid: int) -> None:
    """Appear as ``uid`` to the program while the kernel goes on treating its files as ours."""
    outside_uid, outside_gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "user namespaces are refused")
    # Without privilege the kernel accepts a gid map only after setgroups has been given up.
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {outside_uid} 1"),
        ("gid_map", f"{gid} {outside_gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(line)


def become(whom: str) -> None:
    """``-``, or ``namespace:UID:GID:``, or ``account:UID:GID:GROUP,GROUP``."""
    if whom == "-":
        return
    how, uid, gid, groups = whom.split(":")
    if how == "namespace":
        enter_user_namespace(int(uid), int(gid))
        return
    os.setgroups([int(group) for group in groups.split(",") if group])
    os.setgid(int(gid))
    os.setuid(int(uid))


def die_with_parent(parent: int, death_signal: int) -> None:
    """Only Linux can promise this; elsewhere a kill -9 of the parent leaves the child to its next supervisor."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "no parent-death signal")
    # The parent may have died before the signal was asked for: nobody would ever send it then.
    if os.getppid() != parent:
        os._exit(127)


def environment() -> dict[str, str]:
    """The environment as it was given: this interpreter may have added an LC_CTYPE of its own to ``os.environ``."""
    try:
        with open("/proc/self/environ", "rb") as file:
            entries = file.read().split(b"\0")
    except OSError:
        return dict(os.environ)
    pairs = (os.fsdecode(entry).partition("=") for entry in entries if entry)
    return {key: value for key, _, value in pairs}


def default_signals() -> None:
    """Ignored signals outlive an exec: Python's SIGPIPE, and a background shell's SIGINT, would reach the program."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def places(program: str, variables: dict[str, str]) -> list[str]:
    """Where to look for the program: in its own environment's PATH, unless it is a path already."""
    if "/" in program:
        return [program]
    return [os.path.join(folder, program) for folder in os.get_exec_path(variables)]


def execute(candidates: list[str], program: tuple[str, ...], variables: dict[str, str]) -> None:
    reason: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    for candidate in candidates:
        try:
            os.execve(candidate, program, variables)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:  # as a shell does: a later one may be ours to run
            reason = error
    raise reason


def main(parent: str, death_signal: str, report: str, whom: str, *program: str) -> None:
    os.set_inheritable(int(report), False)
    try:
        variables = environment()
        candidates = places(program[0], variables) if program else []
        # From here on nothing may be imported: whom we become need not be able to read Python's own files.
        become(whom)
        # After becoming: a change of credentials clears the parent-death signal.
        die_with_parent(int(parent), int(death_signal))
        default_signals()
        if program:  # none: the caller only asked whether becoming is possible
            execute(candidates, program, variables)
        os._exit(0)
    except BaseException as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else repr(error)
        os.write(int(report), reason.encode())
        os._exit(127)


if __name__ == "__main__":
    main(*sys.argv[1:])
