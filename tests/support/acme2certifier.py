"""acme2certifier over TLS: its own WSGI application, served by the Werkzeug that it brings along."""

import sys

from acme2certifier.share.acme2certifier_wsgi import application
from werkzeug.serving import run_simple

run_simple("127.0.0.1", int(sys.argv[1]), application, threaded=True, ssl_context=("tls.crt", "tls.key"))
