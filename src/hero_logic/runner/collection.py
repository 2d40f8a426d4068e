"""What a play leaves: read, listed and removed without following a link or opening a device.

Called when every process of the play is gone, so that nothing changes under us.
"""

from __future__ import annotations

import errno
import os
import stat

from hero_logic.core.policy import default

_COPIED_BYTES = 1 << 20


def read_bounded(path: str, limit_bytes: int) -> bytes:
    """The first bytes of a file, at most so many; nothing where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        # A directory is opened all the same, and refuses to be read.
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(limit_bytes)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def collect_artifacts(work_dir: str, artifacts_dir: str) -> list[tuple[str, int]]:
    """Take over what the flow put into ``artifacts/``: each regular file's path below it, and its size.

    Links, pipes, sockets and devices are no artifacts and go with the work directory's other content.
    """
    source = os.path.join(work_dir, "artifacts")
    try:
        if not stat.S_ISDIR(os.lstat(source).st_mode):
            return []
        with os.scandir(source) as entries:
            if next(entries, None) is None:
                return []
        os.rename(source, artifacts_dir)
    except OSError:
        return []
    return sorted(_list_files(artifacts_dir))


def _list_files(root: str) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    directories = [""]
    limit = default("artifact_files")
    while directories and len(found) < limit:
        below = directories.pop()
        try:
            with os.scandir(os.path.join(root, below)) as entries:
                listed = list(entries)
        except OSError:
            continue
        for entry in listed:
            try:
                _take_entry(entry, below, directories, found)
            except OSError:
                continue
    return found[:limit]


def _take_entry(
    entry: os.DirEntry[str], below: str, directories: list[str], found: list[tuple[str, int]]
) -> None:
    is_directory = entry.is_dir(follow_symlinks=False)
    if not is_directory and not entry.is_file(follow_symlinks=False):
        os.unlink(entry.path)
        return
    size_bytes = entry.stat(follow_symlinks=False).st_size
    path = os.path.join(below, _with_text_name(entry))
    if is_directory:
        directories.append(path)
    else:
        found.append((path, size_bytes))


def _with_text_name(entry: os.DirEntry[str]) -> str:
    """The name of an entry, which is renamed where its bytes are no UTF-8: no record could hold it."""
    name = "".join("?" if "\udc80" <= character <= "\udcff" else character for character in entry.name)
    if name == entry.name:
        return name
    directory = os.path.dirname(entry.path)
    stem, number = name, 1
    while os.path.lexists(os.path.join(directory, name)):
        number += 1
        name = f"{stem[:240]}.{number}"
    os.rename(entry.path, os.path.join(directory, name))
    return name


def copy_artifacts(artifacts_dir: str, paths: list[str], target_dir: str) -> None:
    """Copy a play's artifacts to where its operator wants them (``--keep``).

    Holes stay holes: what a play has that takes no room must take none there either.

    Raises:
        OSError: the target cannot be written.
    """
    os.makedirs(target_dir, exist_ok=True)
    for path in paths:
        target = os.path.join(target_dir, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        source = os.open(os.path.join(artifacts_dir, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(source, "rb") as reader, open(target, "wb") as writer:
            _copy_data(reader.fileno(), writer.fileno())


def _copy_data(source: int, target: int) -> None:
    size_bytes = os.fstat(source).st_size
    at = 0
    while at < size_bytes:
        try:
            at = os.lseek(source, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break  # nothing but a hole is left
        end = os.lseek(source, at, os.SEEK_HOLE)
        os.lseek(target, at, os.SEEK_SET)
        while at < end and (copied := os.sendfile(target, source, at, min(end - at, _COPIED_BYTES))):
            at += copied
        if at < end:
            break  # it has become shorter
    os.ftruncate(target, size_bytes)


def remove_tree(root: str) -> None:
    """Remove a directory and all below it, however deep, following no link.

    Directories are moved up to the root before they are emptied, so that neither the length of a path nor
    the depth of the tree sets a limit. What cannot be removed is left; removing what is not there is fine.
    """
    pending = [root]
    number = 0
    # A name that nothing in there can have by accident or by guessing.
    word = os.urandom(8).hex()
    emptied: list[str] = []
    while pending:
        directory = pending.pop()
        emptied.append(directory)
        try:
            if not stat.S_ISDIR(os.lstat(directory).st_mode):
                os.unlink(directory)
                continue
            os.chmod(directory, 0o700)
            with os.scandir(directory) as entries:
                listed = list(entries)
        except OSError:
            continue
        for entry in listed:
            try:
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)
                    continue
                number += 1
                moved = os.path.join(root, f".removed-{word}-{number}")
                os.chmod(entry.path, 0o700)
                if directory != root:
                    os.rename(entry.path, moved)
                pending.append(entry.path if directory == root else moved)
            except OSError:
                continue
    for directory in reversed(emptied):
        try:
            os.rmdir(directory)
        except OSError:
            continue
