"""What the signer and the verifiers of the tests share: a small HTTP server that ends without losing a request."""

import json
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    # What has been begun is answered before the process ends.
    daemon_threads = False
    block_on_close = True

    def server_bind(self):
        # Old and new tasks share the port, as NGINX does with `reuseport`.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()


def serve(port, answer):
    """Answers GET by what `answer(path)` gives: a status and what becomes JSON. Ends at SIGTERM."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, content = answer(self.path)
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = Server(("127.0.0.1", port), Handler)
    # `shutdown` waits for the loop, which a signal's handler stands in.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.05)
    server.server_close()
