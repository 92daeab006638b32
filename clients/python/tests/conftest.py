"""A server inside the test process, and a client of it."""

from collections.abc import Callable, Iterator
from concurrent import futures

import grpc
import pytest

import headwater
from fakes import Handlers, Server


def stop(grpc_server: grpc.Server) -> None:
    grpc_server.stop(None).wait()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that answers as the test says."""
    grpc_server = grpc.server(futures.ThreadPoolExecutor(64))
    server = Server()
    grpc_server.add_generic_rpc_handlers((Handlers(server),))
    server.address = f"127.0.0.1:{grpc_server.add_insecure_port('127.0.0.1:0')}"
    grpc_server.start()
    server.stop = lambda: stop(grpc_server)
    yield server
    server.stop()


@pytest.fixture
def connect(server: Server) -> Iterator[Callable[..., headwater.Client]]:
    """Connects to the server, without the first check."""
    clients = []

    def make(**arguments: float) -> headwater.Client:
        client = headwater.connect(server.address, "hw_admin_test", plaintext=True, check=False, **arguments)  # type: ignore[arg-type]
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(connect: Callable[..., headwater.Client]) -> headwater.Client:
    """A client with the defaults."""
    return connect()
