"""How the commands speak to a house over HTTP: past any proxy, where it is on this machine; no proxy knows the way to 127.0.0.1."""

import urllib.request
from typing import Any
from urllib.parse import urlsplit

from shared.config import is_loopback


def open_url(asked: urllib.request.Request, seconds: float) -> Any:
    """What answers a request, as ``urllib.request.urlopen`` gives it.

    :raises OSError: nobody answers within so many seconds, or (``HTTPError``) the answer is a refusal.
    """
    direct = is_loopback(urlsplit(asked.full_url).hostname or "")
    handlers = [urllib.request.ProxyHandler({})] if direct else []
    return urllib.request.build_opener(*handlers).open(asked, timeout=seconds)
