"""Fixtures that every test may use."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

# The workers of a parallel run share the cores; more threads each only slows them all.
torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _private_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["NEUROGRAFT_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real scans, or a skip that says so."""
    folder = Path(os.environ.get("NEUROGRAFT_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real scans are not here ({folder}); set NEUROGRAFT_DATA to their folder")
    return folder


Open = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(scope="session")
def opened() -> Iterator[Open]:
    """Open a page, and fail on any console error, any exception and any request but for the file itself."""
    reason = "so the page was not opened in a browser"
    playwright = pytest.importorskip("playwright.sync_api", reason=f"playwright is absent, {reason}")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip(f"there is no Chromium here, {reason}")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])

        @contextmanager
        def open_page(path: Path, width: int = 1200) -> Iterator[Any]:
            faults: list[str] = []

            def note_request(request: Any) -> None:
                if not request.url.startswith(("file:", "data:")):
                    faults.append(request.url)

            def note_message(message: Any) -> None:
                if message.type == "error":
                    faults.append(message.text)

            page = browser.new_page(viewport={"width": width, "height": 900})
            page.on("console", note_message)
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("request", note_request)
            page.goto(path.as_uri())
            yield page
            page.wait_for_timeout(50)
            page.close()
            assert faults == []

        yield open_page
        browser.close()
