"""Build the documentation site: `python -m scripts.docs [FOLDER]`, which `make docs` runs for out/docs.

It is built in a folder that goes away, together with the command reference that the parsers give, and looked at. Only
where all of it is right does it take the place of the last one.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.command_reference import page
from scripts.site_check import Checked, checked

ROOT = Path(__file__).resolve().parent.parent
CONFIG = "mkdocs.yml"
COPIED = ("docs", "examples", "src")
"""Pages, what they include, and what they take docstrings from."""
COMMANDS = "commands.md"
NAV_PAGE = re.compile(r"^ *- (?:[^:\n]+: )?([\w/.-]+\.md)$", re.MULTILINE)


def main(output: Path) -> int:
    """Build, look, and put it there; gives the exit status."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".docs-", dir=output.parent) as folder:
        project = staged(Path(folder))
        built = subprocess.run(
            [Path(sys.executable).with_name("zensical"), "build", "--strict", "--clean"],
            cwd=project,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        print(built.stdout, end="")
        site = project / "site"
        looked = checked(site) if site.is_dir() else Checked(0, 0, ())
        wrong = (*unlisted((project / CONFIG).read_text(), project / "docs"), *looked.complaints)
        print("".join(f"docs: {words}\n" for words in wrong), end="", file=sys.stderr)
        if built.returncode or wrong or not looked.pages:
            return 1
        shutil.rmtree(output, ignore_errors=True)
        shutil.move(site, output)
    print(f"{looked.pages} pages, {looked.links} links checked: {output}/index.html")
    return 0


def staged(folder: Path) -> Path:
    """Lay out all that the site is built of."""
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / CONFIG, folder)
    (folder / "docs" / COMMANDS).write_text(page(), encoding="utf-8")
    return folder


def unlisted(config: str, docs: Path) -> list[str]:
    """Say of each page that it is not in the navigation, and of each entry there that it has no page."""
    listed = NAV_PAGE.findall(config)
    pages = {str(path.relative_to(docs)) for path in docs.rglob("*.md")}
    return [
        *(f"{name}: not in the navigation of {CONFIG}" for name in sorted(pages - {*listed})),
        *(f"{name}: in the navigation of {CONFIG}, and not there" for name in sorted({*listed} - pages)),
        *(f"{name}: twice in the navigation of {CONFIG}" for name in sorted({*listed}) if listed.count(name) > 1),
    ]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("out/docs")))
