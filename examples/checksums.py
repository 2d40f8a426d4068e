"""Checksums of the running interpreter's own files, many at a time.

Shows an async flow: steps that run at the same time stand side by side in the tree, each with its own
beginning and end, and each inside the step that started it.
"""

import asyncio
import glob
import hashlib
import json
import os
import sys
import sysconfig

from hero_tracing import flow

AT_ONCE = 8  # files in memory at the same time


def interpreter_files() -> list[str]:
    """The interpreter itself, its shared library where it has one, and its extension modules."""
    library = os.path.join(sysconfig.get_config_var("LIBDIR") or "", "libpython3*.so*")
    modules = os.path.join(sysconfig.get_path("stdlib"), "lib-dynload", "*.so")
    found = {sys.executable, *glob.glob(library), *glob.glob(modules)}
    return sorted({os.path.realpath(path) for path in found})


def read(path: str) -> bytes:
    """What is in a file."""
    with open(path, "rb") as file:
        return file.read()


async def digest(content: bytes, algorithm: str) -> str:
    """The checksum of some bytes, in a step of its own, in a thread: the event loop stays free."""
    async with flow.step(algorithm, bytes=len(content)):
        return await asyncio.to_thread(lambda: hashlib.new(algorithm, content).hexdigest())


async def check(path: str, slots: asyncio.Semaphore) -> dict[str, object]:
    """The checksums of one file, both at the same time."""
    async with slots, flow.step(os.path.basename(path)):
        content = await asyncio.to_thread(read, path)
        sha256, blake2b = await asyncio.gather(digest(content, "sha256"), digest(content, "blake2b"))
        return {"path": path, "bytes": len(content), "sha256": sha256, "blake2b": blake2b}


@flow(inputs={"max_files": "look at no more files than this"})
async def checksums(max_files: int = 40) -> dict[str, object]:
    """Compute the checksums of the files that this Python is made of."""
    with flow.step("find files") as finding:
        found = interpreter_files()
        paths = found[:max_files]
        finding.tag(found=len(found), chosen=len(paths))

    async with flow.step("hash", at_once=AT_ONCE):
        slots = asyncio.Semaphore(AT_ONCE)
        files = await asyncio.gather(*(check(path, slots) for path in paths))

    with flow.step("compare") as comparing:
        different = len({file["sha256"] for file in files})
        comparing.tag(different=different, copies=len(files) - different)

    return {"files": files, "different": different}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(checksums()), indent=2))
