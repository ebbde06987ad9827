"""Pages in a real browser: Debian's chromium, driven by playwright."""

import contextlib
import os
import shutil

import pytest


@contextlib.contextmanager
def chromium():
    driven = pytest.importorskip(
        "playwright.sync_api", reason="no playwright: pip install playwright (in the extra dev)"
    )
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium: apt-get install chromium")
    with driven.sync_playwright() as driver:
        # root may not have chromium's sandbox; the pages are our own
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(browser, path, beside=(), **context):
    """A page, which fails if anything goes wrong in it: errors, dialogs, requests, messages.

    It may ask for the files `beside` it.
    """
    allowed = tuple(file.as_uri() for file in beside)

    def foreign(request):
        own = request.url.startswith(("data:", "blob:", *allowed))
        return not own and not request.is_navigation_request()

    page = browser.new_page(**{"viewport": {"width": 1200, "height": 900}, **context})
    page.set_default_timeout(120_000)  # ms; a busy machine draws slowly
    wrong = []
    page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: wrong.append(request.url) if foreign(request) else 0)
    page.goto(path.as_uri())
    yield page
    page.wait_for_timeout(200)
    page.close()
    assert wrong == []


def until(page, condition, seconds=120):
    """Waits until a condition holds: a function, or an expression of the page's.

    The pages' policy forbids `wait_for_function`.
    """
    for _ in range(20 * seconds):
        if condition() if callable(condition) else page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"did not come true: {condition}")
