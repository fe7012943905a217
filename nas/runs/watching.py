"""A run in the browser while it goes on: its page, made anew whenever it is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from nas.errors import UsageError
from nas.runs.reporting import progress_page
from nas.setup.folder import RunFolder

__all__ = ["served"]


@contextmanager
def served(folder: RunFolder, host: str, port: int, seconds: int) -> Iterator[ThreadingHTTPServer]:
    """A server of the page of one run, and of nothing else; ``server_address`` tells where it listens.

    Args:
        host: the address to listen on; 127.0.0.1 serves this machine alone.
        port: 0 takes one that is free.
        seconds: after so many the browser asks again, until the run has ended.

    Raises:
        UsageError: the address or port cannot be taken.
    """
    try:
        server = ThreadingHTTPServer((host, port), _handler(folder, seconds))
    except (OSError, OverflowError) as error:
        raise UsageError(f"{host}:{port} cannot be listened on ({error}); choose another --port or --host.") from None
    with server:
        yield server


def _handler(folder: RunFolder, seconds: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/":
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            try:
                page, is_over = _page(folder)
            except (UsageError, OSError) as error:
                self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, explain=str(error))
                return
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.send_header("Cache-Control", "no-store")
            if not is_over:
                self.send_header("Refresh", str(seconds))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Requests are no news."""

    return Handler


def _page(folder: RunFolder) -> tuple[bytes, bool]:
    """The page now, and whether it will stay so."""
    report: Path = folder.report
    if folder.state == "finished":
        return report.read_bytes(), True
    return progress_page(folder).encode(), False
