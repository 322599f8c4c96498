"""Print how long lines of raw results are, and by which keys: `python scripts/line_bytes.py [FILE ...]`."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="default: all below results/raw")
    files = parser.parse_args().files or sorted(Path("results/raw").rglob("*.jsonl"))
    lines = [line for file in files for line in file.read_bytes().splitlines() if line.strip()]
    for kind, of_kind in sorted(by_kind(lines).items()):
        report(kind, of_kind)


def by_kind(lines: Iterable[bytes]) -> dict[str, list[bytes]]:
    """Sort the lines by their kind."""
    kinds: dict[str, list[bytes]] = {}
    for line in lines:
        kinds.setdefault(json.loads(line)["kind"], []).append(line)
    return kinds


def report(kind: str, lines: list[bytes]) -> None:
    """Print the mean bytes of lines of one kind, and of their keys, the longest first."""
    total = sum(map(len, lines)) / len(lines)
    print(f"{kind}: {len(lines)} lines of {total:,.0f} bytes on average")
    for key, count in bytes_by_key(lines).most_common():
        print(f"  {count / len(lines):8,.1f}  {key}")


def bytes_by_key(lines: Iterable[bytes]) -> Counter[str]:
    """Add up the bytes of each key and its value, a comma included."""
    counts: Counter[str] = Counter()
    for line in lines:
        for key, value in json.loads(line).items():
            counts[key] += len(json.dumps({key: value}, separators=(",", ":"))) - 1
    return counts


if __name__ == "__main__":
    main()
