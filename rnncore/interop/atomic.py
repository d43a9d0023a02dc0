"""Replace a file in one step: whoever opens the name sees the whole old file or the whole new one, never a part."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from rnncore.errors import ContractError


def require_free(path: Path, force: bool, name: str) -> None:
    """ContractError unless a file `path` can be written without loss; with `force` an older one may be replaced.

    name: of the option ("--out") or argument ("path") that says which file.
    """
    if path.is_dir():
        raise ContractError(name, "the name of a file", f"the folder {path}", f"name a file in it, or another {name}")
    if path.exists() and not force:
        advice = f"name another one, or say {'--force' if name.startswith('-') else 'force=True'}"
        raise ContractError(name, "a file that does not exist", str(path), advice)
    folder = path.absolute().parent
    if not folder.is_dir():
        raise ContractError(name, "a name in a folder that exists", str(path), f"make the folder {folder} first")
    if not os.access(folder, os.W_OK):
        raise ContractError(name, "a name in a folder of yours", str(path), f"{folder} is write-protected")


@contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """Open a new file that takes the name `path` when the block ends well.

    What is written goes to a hidden file in the same folder, which is flushed, fsynced and renamed; then the folder is
    fsynced. After any exception the hidden file is removed and the old file untouched. After a kill or a power cut the
    old file is untouched too; a hidden `.rnncore-*.tmp` may stay behind and can be deleted.

    The new file keeps the permissions of the one it replaces, and otherwise gets what the umask allows. A symbolic link
    stays and the file it points to is replaced.

    Raises OSError where the disk is full, the folder missing or something write-protected; ContractError where `path`
    is a folder, a device or the like.
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    mode = _mode(target)
    temporary = os.path.join(folder, f".rnncore-{secrets.token_hex(8)}.tmp")
    try:
        with _new(temporary, path) as file:
            if mode is not None:
                os.chmod(temporary, mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _new(temporary: str, path: str) -> BinaryIO:
    """Open the hidden file; OSError names what the caller asked for, not the hidden file."""
    try:
        return open(temporary, "xb")
    except OSError as error:
        folder = os.path.dirname(path) or "."
        raise OSError(error.errno, f"cannot write into the folder {folder!r}: {error.strerror}", path) from None


def _mode(target: str) -> int | None:
    try:
        status = os.stat(target)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "a device, pipe or socket"
        raise ContractError("path", "the name of a file", f"{target}, {what}", "give a file name inside a folder")
    if not os.access(target, os.W_OK):  # a rename would get past the write protection
        raise PermissionError(errno.EACCES, "the file is write-protected", target)
    return status.st_mode & 0o777


def _sync_folder(folder: str) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)
