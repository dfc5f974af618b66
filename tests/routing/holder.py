"""A component that takes of a budget and holds it, until somebody kills it."""

from __future__ import annotations

import asyncio
import sys

from tekton.client import ComponentRegistration, TektonClient
from tekton.v1 import routing_service_pb2 as pb


async def main(component_id: str, model_id: str, leases: int) -> None:
    async with TektonClient() as client:
        registration = ComponentRegistration(
            component_id=component_id,
            component_name="Holder",
            component_type="service",
            version="1.0.0",
            port=9,
            host=component_id,
        )
        _, instance_uuid = await client.register_component(registration)
        client.start_heartbeat(component_id, state="ready")
        for _ in range(leases):
            request = pb.TakeBudgetRequest(
                model_id=model_id,
                component_id=component_id,
                instance_uuid=instance_uuid,
                input_tokens=100,
                cost=1.0,
                ttl_seconds=3600,
            )
            await client._calls.ask(lambda stubs: stubs.routing.TakeBudget, request)
        print("held", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
