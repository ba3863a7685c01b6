"""Runs a program with a root and a network of its own, as any user, and joins chosen ports with the machine's.

A script, not a module: `python sandbox.py SPEC`, where SPEC is a JSON file:
    root     an empty folder, on which the program's root is mounted (only it and its children see that)
    show     path that the program sees -> path of the machine that it is
    files    path -> content of the files that only the program sees
    network  false: the program has the machine's network, and inward and outward are empty
    inward   [[file descriptor, port]]: what comes to this listening socket of the machine goes to the program's port
    outward  [[address, port, port of the machine]]: what the program sends to the first two goes to the machine's port
    command, environment

Three processes: one that stays outside and makes the connections of `outward`, one inside for those of `inward`,
and the program. Each is killed by the kernel when the one before it ends. SIGTERM is for the program alone.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, NoReturn

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
PR_SET_PDEATHSIG = 1
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: Any) -> None:  # noqa: ANN401 - whatever the C function takes
    """Calls a function of the C library that answers 0 when all is well."""
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise SystemExit(f"sandbox: {name}{arguments}: {os.strerror(number)}. Are user namespaces allowed here?")


def mount(source: str, target: Path, kind: str | None, flags: int) -> None:
    """mount(2)."""
    call("mount", source.encode(), str(target).encode(), kind and kind.encode(), ctypes.c_ulong(flags), None)


def die_with_parent() -> None:
    """Asks the kernel to kill this process when its parent ends; changing user forgets that, so call it after."""
    call("prctl", PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def enter_namespaces(*, network: bool) -> None:
    """Leaves the machine's mounts, and its network if asked to; root inside is the user outside."""
    user, group = os.getuid(), os.getgid()
    call("unshare", CLONE_NEWUSER | CLONE_NEWNS | (CLONE_NEWNET if network else 0))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    if not network:
        return
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def build_root(root: Path, show: dict[str, str], files: dict[str, str]) -> None:
    """Mounts what the program will see under `root`."""
    mount("none", Path("/"), None, MS_REC | MS_PRIVATE)
    mount("tmpfs", root, "tmpfs", 0)
    (root / "tmp").mkdir()
    for path, machines in {"/dev": "/dev", "/proc": "/proc", **show}.items():
        target = root / path.lstrip("/")
        target.mkdir(parents=True)
        mount(machines, target, None, MS_BIND | MS_REC)
    for path, content in files.items():
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Passes on what comes until it ends, then says so to the other side."""
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        writer.write_eof()


async def join(stack: AsyncExitStack, listening: socket.socket, port: int) -> None:
    """Connects whoever connects to `listening` with the loopback's `port`; hangs up if nobody is there."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            other_reader, other_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(pump(reader, other_writer), pump(other_reader, writer))
        writer.close()
        other_writer.close()

    await stack.enter_async_context(await asyncio.start_server(serve, sock=listening))


async def relay(joints: list[tuple[socket.socket, int]], child: int) -> NoReturn:
    """Relays until the child ends, and ends as it did."""
    async with AsyncExitStack() as stack:
        for listening, port in joints:
            await join(stack, listening, port)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        code = os.waitstatus_to_exitcode(status)
        # Connections that are still open end with this process; nobody is left to wait for them.
        os._exit(code if code >= 0 else 128 - code)


def inside(spec: dict[str, Any], outside: socket.socket) -> NoReturn:
    """The part in the namespaces: makes them, starts the program, relays what comes in."""
    enter_namespaces(network=spec["network"])
    die_with_parent()
    root = Path(spec["root"])
    build_root(root, spec["show"], spec["files"])
    listening = [socket.create_server((address, port)) for address, port, _ in spec["outward"]]
    socket.send_fds(outside, [b"!"], [one.fileno() for one in listening])
    for one in listening:
        one.close()

    def become_program() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.chroot(root)
        os.chdir("/")
        die_with_parent()

    program = subprocess.Popen(spec["command"], env=spec["environment"], preexec_fn=become_program)
    asyncio.run(relay([(socket.socket(fileno=fd), port) for fd, port in spec["inward"]], program.pid))


def main() -> NoReturn:
    """Reads the specification, splits in two, and ends as the program ends."""
    spec = json.loads(Path(sys.argv[1]).read_text())
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    here, there = socket.socketpair()
    child = os.fork()
    if child == 0:
        here.close()
        inside(spec, there)
    there.close()
    for fd, _ in spec["inward"]:
        os.close(fd)
    _, fds, _, _ = socket.recv_fds(here, 1, len(spec["outward"]))
    joints = [(socket.socket(fileno=fd), port) for fd, (_, _, port) in zip(fds, spec["outward"], strict=False)]
    asyncio.run(relay(joints, child))


if __name__ == "__main__":
    main()
