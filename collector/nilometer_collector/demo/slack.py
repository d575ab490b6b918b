"""A local replacement for Slack, which keeps all posted messages."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAX_MESSAGE_BYTES = 1 << 20


class SlackStandIn:
    """A webhook that serves from its construction until `stop`.

    Attributes:
        messages: Texts of the posted messages, oldest first.
        url: URL of the webhook.
    """

    def __init__(self) -> None:
        messages: list[str] = []

        class Webhook(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = min(int(self.headers.get("content-length", "0")), MAX_MESSAGE_BYTES)
                messages.append(str(json.loads(self.rfile.read(length)).get("text", "")))
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                """Do nothing, so that the terminal shows no access log."""

        self.messages = messages
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/services/demo"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
