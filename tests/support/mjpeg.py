"""An HTTP camera that sends JPEG pictures, each encoded as it is sent."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from edgeface.core.types import Image
from edgeface.imaging.opencv import cv2


@contextmanager
def mjpeg(pictures: Iterator[Image], rate: float) -> Iterator[str]:
    """The address of a camera that gives these BGR pictures, `rate` per second, to its only viewer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            due = time.monotonic()
            try:
                for picture in pictures:
                    due += 1 / rate
                    time.sleep(max(0.0, due - time.monotonic()))
                    data = cv2.imencode(".jpg", picture)[1].tobytes()
                    head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data)
                    self.wfile.write(head + data + b"\r\n")
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/video.mjpg"
        finally:
            server.shutdown()
            thread.join()
