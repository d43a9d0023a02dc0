"""Make `cdnow.csv.gz` from the two CDNOW files inside the PyPI wheel lifetimes 0.11.3.

    python -m rnncore.datasets.build_cdnow            writes beside this file
    python -m rnncore.datasets.build_cdnow FOLDER     writes there

The script downloads the wheel with `pip download --no-deps`, checks both members by their SHA-256, and joins them: the
master file has the 69,659 purchases, the sample file names the 2,357 customers of the 1/10 sample, which becomes a
fifth column of 0 and 1. The gzip header holds neither time nor name, so that the same zlib writes the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

REQUIREMENT = "lifetimes==0.11.3"
MASTER = "lifetimes/datasets/CDNOW_master.txt"
SAMPLE = "lifetimes/datasets/CDNOW_sample.txt"
SHA256 = {
    MASTER: "eff6889ed364c5199d6eacbbeb7a6d559971df4406ac876f322c373f00a072ef",
    SAMPLE: "6fae10155c0b0ba363c2c386e30f77990d22328220efd862a5edd1443420d94a",
}


def download(folder: Path) -> Path:
    """Fetch the wheel into `folder` with pip and return its path."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*command, "--dest", str(folder), REQUIREMENT], check=True)
    return next(iter(folder.glob("*.whl")))


def read_member(wheel: Path, name: str) -> list[list[str]]:
    """The fields of each line of one member; ValueError if its bytes are not the known ones."""
    with zipfile.ZipFile(wheel) as archive:
        raw = archive.read(name)
    digest = hashlib.sha256(raw).hexdigest()
    if digest != SHA256[name]:
        raise ValueError(f"{name} in {wheel.name} has SHA-256 {digest}; expected {SHA256[name]}")
    return [line.split() for line in raw.decode("ascii").splitlines()]


def to_csv(master: list[list[str]], sample: list[list[str]]) -> str:
    """Join the two files to `customer,date,items,amount,sample`, in the order of the master file.

    `master` has a header and the fields customer, yyyymmdd, CDs, dollars; `sample` has no header and begins with the
    master's id.
    """
    sampled = {int(fields[0]) for fields in sample}
    lines = ["customer,date,items,amount,sample"]
    for customer, date, items, amount in master[1:]:
        iso = f"{date[:4]}-{date[4:6]}-{date[6:]}"
        lines.append(f"{int(customer)},{iso},{items},{amount},{int(int(customer) in sampled)}")
    return "\n".join(lines) + "\n"


def compress(text: str) -> bytes:
    """Gzip without time stamp and file name."""
    return gzip.compress(text.encode("ascii"), compresslevel=9, mtime=0)


def main(folder: Path) -> Path:
    """Download, check, convert and write `folder/cdnow.csv.gz`; return that path."""
    with tempfile.TemporaryDirectory() as temporary:
        wheel = download(Path(temporary))
        text = to_csv(read_member(wheel, MASTER), read_member(wheel, SAMPLE))
    target = folder / "cdnow.csv.gz"
    target.write_bytes(compress(text))
    return target


if __name__ == "__main__":
    print(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent))
