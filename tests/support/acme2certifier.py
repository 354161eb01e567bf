"""acme2certifier over TLS: its own WSGI application, served by the Werkzeug that it brings along."""

import base64
import io
import json
import sys

from acme2certifier.share.acme2certifier_wsgi import application
from werkzeug.serving import run_simple


def noted(environ, start_response):
    """Notes what each order asks for: acme2certifier keeps no `replaces`."""
    if environ["PATH_INFO"] == "/acme/neworders":
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        payload = base64.urlsafe_b64decode(json.loads(body)["payload"] + "==")
        with open("orders.jsonl", "a", encoding="utf-8") as orders:
            orders.write(json.dumps(json.loads(payload)) + "\n")
    return application(environ, start_response)


run_simple("127.0.0.1", int(sys.argv[1]), noted, threaded=True, ssl_context=("tls.crt", "tls.key"))
