"""Runs inside the environment of `mpesa-daraja-mcp`: one JSON order a line in, one answer out.

It only calls that package's own functions; nothing here knows the wire.
"""

import asyncio
import json
import sys
from typing import Any

from mpesa_mcp import server
from mpesa_mcp.client import Config, DarajaClient
from mpesa_mcp.receiver import record_callback


async def obey(order: dict[str, Any]) -> Any:
    match order.pop("do"):
        case "pay":
            return (await server.b2c_payment(**order)).model_dump(mode="json")
        case "ask":
            return (await server.transaction_status(**order)).model_dump(mode="json")
        case "callback":
            return record_callback(server.state(), order["path"], json.loads(order["body"]))
        case "result":
            return (await server.get_result(order["id"])).model_dump(mode="json")
        case other:
            raise ValueError(other)


async def main() -> None:
    config = Config.from_env()
    config.base_url = sys.argv[1]
    server._client = DarajaClient(config)  # its one place for a client, and it has no setter
    while line := await asyncio.to_thread(sys.stdin.readline):
        try:
            told = await obey(json.loads(line))
        except Exception as error:  # noqa: BLE001 - the other side judges
            told = {"raised": f"{type(error).__name__}: {error}"}
        print(json.dumps(told), flush=True)
    await server._client.aclose()


asyncio.run(main())
