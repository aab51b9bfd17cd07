"""A host's own receiver of signed alerts. A model for hosts: it needs Python alone.

    TRIPARTITE_KEY=<the key that was handed over> python receive.py alerts.sqlite --port 8099

Tripartite posts an alert to the webhook of its contact, and posts it again, under the same id, until it is answered with 2xx: after a
time-out nobody knows whether it arrived. So three things are this program's to do, all in :func:`take`:

* **Is it from Tripartite?** ``Tripartite-Signature: t=<seconds since 1970>,v1=<HMAC-SHA256 of "<t>.<body>" with the key, in hexadecimal>``.
* **Is it of now?** ``t`` may be five minutes from this clock; what somebody overheard cannot be sent again later.
* **Was it here before?** An id (``Tripartite-Alert``) counts once; it is committed before the answer, and answered the same again.

Put it behind the web server that ends TLS (webhooks must be ``https://``) and that gathers each request first: this program takes one at a
time. SIGTERM or Ctrl-C ends it.
"""

import argparse
import hashlib
import hmac
import json
import os
import re
import sqlite3
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

WINDOW_SECONDS = 300
LARGEST_BODY = 1024 * 1024
TABLE = "create table if not exists alerts (id text primary key, regarding text, subject text, text text)"


def take(file: sqlite3.Connection, key: str, alert: str, signature: str, body: bytes, seconds: float) -> int:
    """Take an alert; gives the HTTP status to answer with.

    :param key: the recipient's key, as it was handed over.
    :param alert: the header Tripartite-Alert; ``signature``: the header Tripartite-Signature.
    :param seconds: the time now, since 1970.
    """
    given = re.fullmatch("t=([0-9]{1,12}),v1=([0-9a-f]{64})", signature)
    if given is None or abs(seconds - int(given[1])) > WINDOW_SECONDS:
        return 403
    right = hmac.new(key.encode(), given[1].encode() + b"." + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(right, given[2]):
        return 403
    said = json.loads(body)
    if said["id"] != alert:  # the body is signed, the header is not
        return 403
    with file:
        file.execute("insert or ignore into alerts values (?, ?, ?, ?)", (said["id"], said["regarding"], said["subject"], said["text"]))
    return 200


def receiver(file: sqlite3.Connection, key: str) -> type[BaseHTTPRequestHandler]:
    """What answers a request."""

    class Receiver(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            """One alert."""
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal() or int(length) > LARGEST_BODY:
                self.send_error(413)
                return
            headers = (self.headers.get("Tripartite-Alert", ""), self.headers.get("Tripartite-Signature", ""))
            self.send_response(take(file, key, *headers, self.rfile.read(int(length)), time.time()))
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Receiver


def main() -> int:
    """The command; gives the exit code."""
    options = argparse.ArgumentParser(description="Keep the alerts that Tripartite posts to a contact's webhook.")
    options.add_argument("file", help="SQLite file to keep them in")
    options.add_argument("--port", type=int, default=8099, help="port of 127.0.0.1 to listen on")
    chosen = options.parse_args()
    key = os.environ.get("TRIPARTITE_KEY", "")
    if not key:
        print("Set TRIPARTITE_KEY to the key that was handed over (`tripartite webhook-key` prints it).", file=sys.stderr)
        return 2
    file = sqlite3.connect(chosen.file)
    file.execute(TABLE)
    server = HTTPServer(("127.0.0.1", chosen.port), receiver(file, key))
    print(f"Listening on http://127.0.0.1:{server.server_port}/.", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
