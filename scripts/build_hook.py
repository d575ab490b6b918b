"""The build hook of the distribution: puts the collector's pages into wheels and sdists.

hatchling runs the hook. An editable install needs no pages, so it needs no Node. A source
distribution contains the built pages, so that a wheel made of it needs no Node either. A tree
without `collector/web`, such as that of an image, is packed with the pages that it has.
"""

import subprocess
import sys
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PagesHook(BuildHookInterface):
    """Builds the pages before a wheel or a source distribution is packed."""

    def initialize(self, version: str, build_data: dict[str, list[str]]) -> None:
        """Build the pages where the result must contain them; end the build if that fails."""
        # Git ignores the folder, but hatchling packs artifacts anyway.
        build_data["artifacts"].append("/collector/nilometer_collector/static/**")
        root = Path(self.root)
        is_sdist = (root / "PKG-INFO").is_file()
        if version == "editable" or is_sdist or not (root / "collector" / "web").is_dir():
            return
        finished = subprocess.run(
            [sys.executable, str(root / "scripts" / "build_web.py")],
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if finished.returncode:
            self.app.abort(finished.stderr.strip())
