"""Whatever happens while a file is written, its name holds the whole old file or the whole new one."""

import errno
import json
import os
import stat
import subprocess
import sys

import numpy as np
import pytest

from rnncore.errors import ContractError, NonFiniteError
from rnncore.interop import atomic, safetensors

OLD, NEW = {"w": np.zeros(30_000)}, {"w": np.ones(30_000), "x": np.ones(20_000, np.float32)}

# Overwrites the file in forked children, each killed one call of the writing code later than the one before, or each
# under a larger limit of the file size, until one gets through. Prints how each ended, what the file then held and how
# many other files there were.
SCRIPT = """
import json, os, resource, signal, sys
import numpy as np
from rnncore.interop import safetensors

how, path = sys.argv[1:]
OLD, NEW = {"w": np.zeros(30_000)}, {"w": np.ones(30_000), "x": np.ones(20_000, np.float32)}

def held():
    def expect(metadata):
        arrays = {"old": OLD, "new": NEW}[metadata["which"]]
        return {name: (a.shape, a.dtype) for name, a in arrays.items()}
    return safetensors.read(path, expect)[1]["which"]

def kill_before_call(k):
    def tracer(frame, event, argument):
        nonlocal k
        if event == "c_call" and frame.f_code.co_filename.endswith(("atomic.py", "safetensors.py")):
            k -= 1
            if k < 0:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.setprofile(tracer)

def fail_at_size(k):
    resource.setrlimit(resource.RLIMIT_FSIZE, (k * 16384 + 8, k * 16384 + 8))

prepare = {"kill": kill_before_call, "full": fail_at_size}[how]
outcomes = []
for k in range(200):
    safetensors.write(path, OLD, {"which": "old"})
    child = os.fork()
    if child == 0:
        try:
            prepare(k)
            safetensors.write(path, NEW, {"which": "new"})
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = len(os.listdir(os.path.dirname(path))) - 1
    outcomes.append([status, held(), left])
    for name in os.listdir(os.path.dirname(path)):
        if name.startswith(".rnncore-"):
            os.unlink(os.path.join(os.path.dirname(path), name))
    if status == 0:
        break
print(json.dumps(outcomes))
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "file.safetensors"


def outcomes(how, path):
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, how, str(path)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def which(path):
    arrays = {len(OLD): OLD, len(NEW): NEW}
    return safetensors.read(path, lambda m: {n: (a.shape, a.dtype) for n, a in arrays[m["arrays"]].items()})[1][
        "arrays"
    ]


def write(path, arrays):
    safetensors.write(path, arrays, {"arrays": len(arrays)})


def names(path):
    return sorted(entry.name for entry in path.parent.iterdir())


def test_kill_before_any_call_leaves_one_whole_file(path):
    *killed, last = outcomes("kill", path)
    assert last == [0, "new", 0]
    assert {status for status, _, _ in killed} == {-9}
    held = [which for _, which, _ in killed]
    assert len(killed) > 20
    assert held == sorted(held, reverse=True), "old up to the rename, new from then on"
    assert set(held) == {"old", "new"}


def test_full_disk_at_any_point_leaves_the_old_file_and_nothing_else(path):
    *failed, last = outcomes("full", path)
    assert last == [0, "new", 0]
    assert len(failed) > 15
    assert {tuple(outcome) for outcome in failed} == {(errno.EFBIG, "old", 0)}


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), MemoryError()], ids=repr
)
def test_failing_call_leaves_the_old_file_and_nothing_else(path, monkeypatch, call, error):
    def fail(*arguments, **options):
        raise error

    write(path, OLD)
    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, call, fail)
        with pytest.raises(type(error)):
            write(path, NEW)
    assert (which(path), names(path)) == (len(OLD), [path.name])


def test_failing_array_leaves_the_old_file_and_nothing_else(path):
    write(path, OLD)
    with pytest.raises(NonFiniteError):
        write(path, {**NEW, "x": np.array([np.nan])})
    assert (which(path), names(path)) == (len(OLD), [path.name])


def test_whole_file_is_synced_before_the_rename_and_the_folder_after(path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        calls.append("folder" if is_folder else next(path.parent.iterdir()).read_bytes())
        fsync(descriptor)

    def noted_replace(source, target):
        calls.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    write(path, NEW)
    assert calls == [path.read_bytes(), "rename", "folder"]


def test_folder_that_cannot_be_synced_is_tolerated(path, monkeypatch):
    fsync = os.fsync

    def no_folders(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", no_folders)
    write(path, NEW)
    assert which(path) == len(NEW)


def test_disk_error_of_the_folder_is_reported(path, monkeypatch):
    fsync = os.fsync

    def broken_folders(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", broken_folders)
    with pytest.raises(OSError, match="Input/output"):
        write(path, NEW)


def test_open_reader_keeps_the_old_file(path):
    write(path, OLD)
    old = path.read_bytes()
    with path.open("rb") as reader:
        write(path, NEW)
        assert reader.read() == old


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_new_file_has_the_permissions_that_the_umask_allows(path, umask):
    before = os.umask(umask)
    try:
        write(path, OLD)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_replaced_file_keeps_its_permissions(path):
    write(path, OLD)
    path.chmod(0o640)
    write(path, NEW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_write_protected_file_is_not_replaced(path, monkeypatch):
    write(path, OLD)
    path.chmod(0o400)
    monkeypatch.setattr(os, "access", lambda *arguments: False)  # root may write anywhere
    with pytest.raises(PermissionError, match="write-protected"):
        write(path, NEW)
    assert which(path) == len(OLD)


def test_symbolic_link_stays_and_its_target_is_replaced(path):
    write(path, OLD)
    link = path.parent.parent / "link"
    link.symlink_to(path)
    write(link, NEW)
    assert (link.is_symlink(), which(path)) == (True, len(NEW))


def test_missing_folder_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "none" / "file", OLD)


def test_folder_is_not_replaced(tmp_path):
    with pytest.raises(ContractError, match="a folder"):
        write(tmp_path, OLD)


def test_device_is_not_replaced():
    with pytest.raises(ContractError, match="a device"):
        write("/dev/full", OLD)
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


def test_longest_possible_name_can_be_written(tmp_path):
    path = tmp_path / ("n" * 255)
    write(path, OLD)
    assert which(path) == len(OLD)


def test_bare_name_is_written_into_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("file", OLD)
    assert which(tmp_path / "file") == len(OLD)


def test_a_missing_folder_is_named_as_it_was_given(tmp_path):
    name = str(tmp_path / "gone" / "model")
    with pytest.raises(FileNotFoundError) as caught:
        write(name, NEW)
    assert caught.value.filename == name
    assert repr(str(tmp_path / "gone")) in str(caught.value)
    assert ".rnncore-" not in str(caught.value)
