"""Where HTTP's messages begin and end in a stream of bytes."""

from dataclasses import dataclass

import httptools


@dataclass(frozen=True, slots=True)
class Request:
    """One; the names of `headers` are in small letters."""

    path: str
    headers: dict[str, str]
    raw: bytes


class RequestReader:
    """Reads one request after the other; its own bytes are all that come until it is whole."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._begin()

    def read(self, data: bytes) -> Request | None:
        """The request that ends with `data`, if one does.

        Raises:
            OSError: this is no request.
        """
        self._raw += data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise ConnectionAbortedError("this is no HTTP") from error
        if not self._whole:
            return None
        request = Request(self._url.decode(), self._headers, self._raw)
        self._begin()
        return request

    def on_url(self, url: bytes) -> None:
        """Part of the path."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers[name.decode().lower()] = value.decode("latin-1")

    def on_message_complete(self) -> None:
        """The end of a request."""
        self._whole = True

    def _begin(self) -> None:
        self._url, self._raw, self._whole = b"", b"", False
        self._headers: dict[str, str] = {}


class AnswerEnd:
    """Whether an answer was read to its end; one that ends with its connection never was."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.reached = False

    def read(self, data: bytes) -> None:
        """The next bytes.

        Raises:
            OSError: this is no answer.
        """
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise ConnectionAbortedError("this is no HTTP") from error

    def on_message_complete(self) -> None:
        """The end of an answer."""
        self.reached = self._parser.get_status_code() >= 200
