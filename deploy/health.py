"""The health check of a container: is the process in it ready?

A worker is asked on TRIPARTITE_HEALTH_PORT, a web process on TRIPARTITE_PORT, below the name of its service (SERVICE, set in the image).
Both listen on the container's own loopback. Exit code 0: ready; 1: not ready, or nobody answers, with what was said on stderr.
"""

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping

PATIENCE = 4.0
"""Seconds; less than the health check itself is given."""


def address(environment: Mapping[str, str]) -> str:
    """Where the process of this container says whether it is ready."""
    worker = environment.get("TRIPARTITE_HEALTH_PORT")
    if worker:
        return f"http://127.0.0.1:{worker}/health/ready"
    return f"http://127.0.0.1:{environment.get('TRIPARTITE_PORT', '8000')}/{environment['SERVICE']}/health/ready"


def main() -> int:
    """Ask once."""
    url = address(os.environ)
    past_proxies = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # Docker hands its user's proxies to every container
    try:
        past_proxies.open(url, timeout=PATIENCE).close()
    except urllib.error.HTTPError as error:
        print(f"{url} answers {error.code}: {error.read().decode(errors='replace')}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{url} does not answer: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
