"""Pictures of the dashboard's preview for the documentation: real nodes, a real Prometheus.

    python -m tests.perflab.production.dashboard_picture docs/images

Four nodes under load for a minute and a half; then one is killed, and half a minute later the
picture is taken. All windows are 60 times shorter than in production (`--scale 60`).
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from PIL import Image

from p2pcore import AdaptiveClient, ClientConfig
from tests.perflab.browser import PHONE, WIDE, chromium, serving
from tests.perflab.production.live_prometheus import until
from tests.perflab.production.open_load import offered
from tests.perflab.production.test_live import KEY, NODES, Network

BEFORE_S, AFTER_S = 90, 30
COLOURS = 64
HEIGHTS = {WIDE: 1400, PHONE: 1250}


async def drawn(folder: Path) -> None:
    """Write the preview into a folder."""
    network = Network(folder)
    try:
        for number in range(NODES):
            await until(f"node {number} is ready", lambda n=number: network.ready(n))
        settings = ClientConfig(bootstrap=network.listen, network_key=bytes.fromhex(KEY))
        async with AdaptiveClient(settings) as client, offered(client, network.client_port):
            await asyncio.sleep(BEFORE_S)  # of data, which is what the picture is of
            network.nodes[-1].kill()
            network.nodes[-1].wait(30)
            await asyncio.sleep(AFTER_S)
            command = ["dashboard", "--preview", network.prometheus.url, "--window", "2m"]
            command += ["--scale", "60", "--targets", str(folder / "targets.toml")]
            command += ["--output", str(folder / "page" / "preview.html")]
            made = await asyncio.create_subprocess_exec(sys.executable, "-m", "perflab", *command)
            assert await made.wait() == 0
    finally:
        network.end()


def pictures(page: Path, folder: Path) -> None:
    """Wide and on a phone."""
    with serving(page) as address, chromium() as browser:
        for name, width in (("dashboard.png", WIDE), ("dashboard-phone.png", PHONE)):
            size = {"width": width, "height": HEIGHTS[width]}
            shown = browser.new_page(viewport=size, color_scheme="light")
            shown.goto(f"{address}preview.html")
            shown.wait_for_selector("html[data-shown]", state="attached")
            shown.screenshot(path=folder / name)
            shown.close()
            with Image.open(folder / name) as image:
                image.convert("RGB").quantize(COLOURS).save(folder / name, optimize=True)
            print(folder / name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    into = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(drawn(Path(scratch)))
        pictures(Path(scratch) / "page", into)
