"""Standard output and error that may be closed by whoever reads them, as by `| head -1`, or lack letters: the work goes on, and its files are written."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO


class Outlet:
    """A stream to print on; once nobody reads it any more, what is printed goes nowhere. A letter that it lacks is printed as Python writes it."""

    def __init__(self, stream: TextIO | None):
        self._stream = io.StringIO() if stream is None else stream  # None: it was closed before Python began

    def write(self, text: str) -> int:
        """Print, if anybody reads it."""
        self._try(lambda: self._stream.write(self._written(text)))
        return len(text)

    def _written(self, text: str) -> str:
        encoding, errors = getattr(self._stream, "encoding", None) or "utf-8", getattr(self._stream, "errors", None) or "strict"
        try:
            text.encode(encoding, errors)
        except UnicodeEncodeError:
            return text.encode(encoding, "backslashreplace").decode(encoding)
        return text

    def flush(self) -> None:
        """Have what was printed go out."""
        self._try(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _try(self, work: Callable[[], Any]) -> None:
        try:
            work()
        except BrokenPipeError:     # also what is still in the buffer would break at every further try
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextlib.contextmanager
def outlets() -> Iterator[None]:
    """Have everything below print through outlets."""
    with contextlib.redirect_stdout(Outlet(sys.stdout)) as out, contextlib.redirect_stderr(Outlet(sys.stderr)) as err:
        try:
            yield
        finally:
            for outlet in (out, err):
                with contextlib.suppress(OSError):  # a full disk has been told of
                    outlet.flush()
