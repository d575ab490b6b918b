"""Generate `nilometer.v1` from `proto/`; --check only reports whether the committed code differs."""

import argparse
import filecmp
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path("nilometer/v1")
INIT = '"""Generated from proto/nilometer/v1 by `make proto`; do not edit."""\n'


def generate(target: Path) -> None:
    """Write the generated package below *target*."""
    from grpc_tools import protoc

    sources = sorted(str(path) for path in (ROOT / "proto").glob("nilometer/v1/*.proto"))
    outputs = [f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")]
    if protoc.main(["protoc", f"-I{ROOT / 'proto'}", *outputs, *sources]):
        sys.exit("protoc failed")
    (target / PACKAGE / "__init__.py").write_text(INIT)


def main() -> None:
    """Generate in place, or compare with a fresh generation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 on a difference"
    )
    if not parser.parse_args().check:
        generate(ROOT / "middleware")
        return
    with tempfile.TemporaryDirectory() as directory:
        generate(Path(directory))
        fresh, committed = Path(directory) / PACKAGE, ROOT / "middleware" / PACKAGE
        names = {p.name for p in fresh.iterdir()} | {p.name for p in committed.glob("*.py*")}
        _, different, missing = filecmp.cmpfiles(fresh, committed, sorted(names), shallow=False)
        if different or missing:
            sys.exit(f"generated code differs: {', '.join(different + missing)}; run `make proto`")
    print(f"generated code is up to date ({len(names)} files)")


if __name__ == "__main__":
    main()
