"""One request and its answer over HTTP/1.1, as bytes: what the clients share, whatever carries the bytes.

Source: https://www.rfc-editor.org/rfc/rfc9112, by h11.
"""

from __future__ import annotations

import h11

from hero_logic.core.errors import ServerUnreachable

MAX_ANSWER_BYTES = 256 * 1024 * 1024


class Exchange:
    """A connection's state: :meth:`request` gives what to send; :meth:`receive` takes what comes, until it is
    all.
    """

    def __init__(self, host: str, token: str | None) -> None:
        self._connection = h11.Connection(h11.CLIENT)
        self._headers = [("Host", host), ("Accept", "application/json")]
        if token is not None:
            self._headers.append(("Authorization", f"Bearer {token}"))
        self._pieces: list[bytes] = []
        self._size_bytes = 0
        self.status = 0

    def request(self, method: str, target: str, body: bytes) -> bytes:
        """The bytes of a request with a JSON body."""
        headers = [*self._headers, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        sent = [
            self._connection.send(h11.Request(method=method, target=target, headers=headers)),
            self._connection.send(h11.Data(data=body)) if body else b"",
            self._connection.send(h11.EndOfMessage()),
        ]
        self._pieces = []
        self._size_bytes = self.status = 0
        return b"".join(piece or b"" for piece in sent)

    def receive(self, data: bytes) -> bytes | None:
        """Take some bytes (b"" at the end of the connection); the body of the answer, once it is all there.

        Raises:
            ServerUnreachable: it is not HTTP, breaks off, or is too large.
        """
        if not data and not self.status:
            raise ServerUnreachable("the server has closed the connection before it answered. Ask again.")
        try:
            self._connection.receive_data(data)
            while True:
                event = self._connection.next_event()
                if event is h11.NEED_DATA:
                    return None
                if isinstance(event, h11.Response):
                    self.status = event.status_code
                elif isinstance(event, h11.Data):
                    self._pieces.append(bytes(event.data))
                    self._size_bytes += len(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    return b"".join(self._pieces)
                elif isinstance(event, h11.ConnectionClosed):
                    raise ServerUnreachable(
                        "the server has closed the connection before it answered. Ask again."
                    )
                if self._size_bytes > MAX_ANSWER_BYTES:
                    raise ServerUnreachable(
                        f"the answer is larger than {MAX_ANSWER_BYTES:,} bytes. Ask for less at a time."
                    )
        except h11.RemoteProtocolError as error:
            raise ServerUnreachable(f"what answers is no server of ours: {error}.") from error

    def can_go_on(self) -> bool:
        """Whether the connection can carry another request; it is ready for that then."""
        if self._connection.our_state is h11.DONE and self._connection.their_state is h11.DONE:
            self._connection.start_next_cycle()
            return True
        return False
