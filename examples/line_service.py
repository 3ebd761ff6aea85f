"""An asyncio service that embeds a node. Its instances share what their users store.

Start one, and others that join it; then talk to any of them, a line at a time:

    python examples/line_service.py --listen 127.0.0.1:7000 --node 127.0.0.1:4100
    python examples/line_service.py --listen 127.0.0.1:7001 --join 127.0.0.1:4100
    python examples/line_service.py --listen 127.0.0.1:7002 --join 127.0.0.1:4100
    printf 'set colour blue\\nget colour\\n' | nc -q 1 127.0.0.1 7001
"""

import argparse
import asyncio
import signal

from p2pcore import AdaptiveCoordinator, CoordinatorConfig, KeyNotFoundError, P2PError


async def answer(node: AdaptiveCoordinator, line: str) -> str:
    """What the service says to one line."""
    match line.split(maxsplit=2):
        case ["set", key, value]:
            receipt = await node.store(key, value.encode())
            return f"ok {receipt.acks}"
        case ["get", key]:
            return f"value {(await node.retrieve(key)).decode()}"
        case ["del", key]:
            await node.delete(key)
            return "ok"
        case _:
            return "error: set KEY VALUE, get KEY or del KEY"


async def talk(
    node: AdaptiveCoordinator, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """One user, from the first line to the last."""
    try:
        while line := await reader.readline():
            try:
                said = await answer(node, line.decode().strip())
            except KeyNotFoundError:
                said = "none"
            except (P2PError, ValueError) as error:  # what cannot be stored, and what is no text
                said = f"error: {error}"
            writer.write(f"{said}\n".encode())
            await writer.drain()
    except ValueError:
        writer.write(b"error: a line is too long\n")
    except ConnectionError:
        pass  # the user has gone
    finally:
        writer.close()


async def serve(listen: str, config: CoordinatorConfig) -> None:
    """Serve until SIGINT or SIGTERM; the node hands its records over before it leaves."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AdaptiveCoordinator(config) as node:
        await node.wait_ready()
        host, _, port = listen.rpartition(":")
        server = await asyncio.start_server(
            lambda reader, writer: talk(node, reader, writer), host, int(port)
        )
        async with server:
            bound = server.sockets[0].getsockname()
            print(f"serving {bound[0]}:{bound[1]}, node {node.address}", flush=True)
            await stop.wait()


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--listen", default="127.0.0.1:0", help="where users connect")
    words.add_argument("--node", default="127.0.0.1:0", help="where other instances connect")
    words.add_argument("--join", action="append", default=[], help="the node of another instance")
    args = words.parse_args()
    asyncio.run(serve(args.listen, CoordinatorConfig(listen=args.node, bootstrap=args.join)))


if __name__ == "__main__":
    main()
