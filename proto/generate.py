"""Generate the Python stubs and the descriptor set from the contract, or check that the committed ones are true.

python proto/generate.py            write them
python proto/generate.py --check    exit 1 with the remedy when they differ from what the contract gives
"""

from __future__ import annotations

import argparse
import filecmp
import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
DEPS = ROOT / "build" / "proto-deps"
STUBS = Path("clients/python/tekton/v1")
DESCRIPTORS = Path("gateway/tekton_gateway/tekton.binpb")
GOOGLE_API = ("annotations.proto", "http.proto", "httpbody.proto")
_BIN = Path(sys.executable).parent


def copy_google_api() -> None:
    """Lay google/api beside our module: those files come from the installed package and are never committed."""
    for file in importlib.metadata.files("googleapis-common-protos") or ():
        if file.parent.as_posix() == "google/api" and file.name in GOOGLE_API:
            target = DEPS / "google" / "api" / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), target)


def generate(out: Path) -> None:
    """Write every generated file below `out`."""
    import grpc_tools

    well_known = Path(grpc_tools.__file__).parent / "_proto"
    protos = sorted(str(p.relative_to(PROTO)) for p in (PROTO / "tekton").rglob("*.proto"))
    python_root = out / STUBS.parent.parent
    python_root.mkdir(parents=True, exist_ok=True)
    (out / DESCRIPTORS).parent.mkdir(parents=True, exist_ok=True)
    _run(
        [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"-I{DEPS}", f"-I{well_known}"]
        + [f"--plugin=protoc-gen-mypy={_BIN / 'protoc-gen-mypy'}"]
        + [f"--plugin=protoc-gen-mypy_grpc={_BIN / 'protoc-gen-mypy_grpc'}"]
        + [f"--{kind}_out={python_root}" for kind in ("python", "grpc_python")]
        + [f"--{kind}_out=quiet:{python_root}" for kind in ("mypy", "mypy_grpc")]
        + protos
    )
    # Source info travels along: the OpenAPI document takes its texts from the comments.
    _run([str(_BIN / "buf"), "build", "--as-file-descriptor-set", "-o", str(out / DESCRIPTORS)])


def _run(argv: list[str]) -> None:
    subprocess.run(argv, cwd=ROOT, check=True)


def differences(fresh: Path) -> list[str]:
    """Name every committed generated file that is missing, stale or left over."""
    found = []
    for folder, pattern in ((STUBS, "*_pb2*.py*"), (DESCRIPTORS.parent, "*.binpb")):
        new = {p.name for p in (fresh / folder).glob(pattern)}
        old = {p.name for p in (ROOT / folder).glob(pattern)}
        found += [str(folder / name) for name in new ^ old]
        found += [
            str(folder / name)
            for name in new & old
            if not filecmp.cmp(fresh / folder / name, ROOT / folder / name, shallow=False)
        ]
    return sorted(found)


def main() -> int:
    """Generate or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    copy_google_api()
    if not check:
        generate(ROOT)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        stale = differences(Path(folder))
    if stale:
        print("Generated code differs from proto/:", *stale, "Run: make proto", sep="\n  ")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
