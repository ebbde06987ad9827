import browsers
import pytest


@pytest.fixture(scope="module")
def chromium():
    with browsers.chromium() as browser:
        yield browser
