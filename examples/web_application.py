"""A Flask application whose threads share one blocking client.

With nodes on 127.0.0.1:4100 (`p2pcore serve --workers 3 --listen 127.0.0.1:4100`):

    P2PCORE_VIA=127.0.0.1:4100 flask --app examples/web_application.py run
    curl -X PUT --data 'good morning' http://127.0.0.1:5000/notes/greeting
    curl http://127.0.0.1:5000/notes/greeting

A server that forks workers after it has loaded the application (gunicorn --preload) needs a client
per worker: this one is made at the first request, and so in the worker.
"""

import os
import threading

from flask import Flask, Response, request

from p2pcore import ClientConfig, KeyNotFoundError, LimitError, P2PError
from p2pcore.blocking import Client


class Connection:
    """The client of this process, made when it is first wanted."""

    def __init__(self, members: list[str]) -> None:
        self._members = members
        self._lock = threading.Lock()
        self._client: Client | None = None

    def client(self) -> Client:
        """Raises P2PError where the network can't be reached; the next call tries again."""
        with self._lock:
            if self._client is None:
                client = Client(ClientConfig(bootstrap=self._members, timeout_s=3))
                client.connect()
                self._client = client
            return self._client

    def close(self) -> None:
        """Say goodbye, if there was a client."""
        with self._lock:
            if self._client is not None:
                self._client.close()


def application(members: list[str]) -> tuple[Flask, Connection]:
    """The application, and what its requests go through."""
    app, connection = Flask(__name__), Connection(members)

    @app.put("/notes/<name>")
    def put(name: str) -> Response:
        receipt = connection.client().store(f"notes/{name}", request.get_data())
        return Response(status=204, headers={"Version": receipt.version.hex()})

    @app.get("/notes/<name>")
    def get(name: str) -> Response:
        return Response(connection.client().retrieve(f"notes/{name}"), mimetype="text/plain")

    @app.delete("/notes/<name>")
    def delete(name: str) -> Response:
        connection.client().delete(f"notes/{name}")
        return Response(status=204)

    @app.errorhandler(P2PError)
    def failed(error: P2PError) -> Response:
        status = 503  # too few replicas, or none to be reached: worth another try
        if isinstance(error, KeyNotFoundError):
            status = 404
        elif isinstance(error, LimitError):
            status = 413
        return Response(f"{error}\n", status=status, mimetype="text/plain")

    return app, connection


def create_app() -> Flask:
    """What `flask run` looks for."""
    return application(os.environ["P2PCORE_VIA"].split(","))[0]
