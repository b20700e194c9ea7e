"""A user whose audit asks for the same user again: a deadlock without a single lock.

Callers who ask for a user that is being processed share the call in flight. That saves work, until one
of them is part of that very call: process_user waits for its audit, and the audit waits for process_user.

    UNSTUCK=1 python examples/circular_enrichment.py
"""

import asyncio

in_flight = {}
managers = {"ann": "bob", "bob": "bob"}  # bob is his own manager


async def process_user(user):
    """Process a user once, however many callers ask for him at the same time."""
    if user not in in_flight:
        in_flight[user] = asyncio.create_task(enrich_and_audit(user), name=f"process-{user}")
        in_flight[user].add_done_callback(lambda _done: in_flight.pop(user))
    # Shielded, for one caller's cancellation is not everybody's.
    return await asyncio.shield(in_flight[user])


async def enrich_and_audit(user):
    results = await asyncio.gather(enrich(user), validate(user), audit(user))
    return results[0]


async def enrich(user):
    await asyncio.sleep(0.05)  # ask the directory
    return {"name": user}


async def validate(user):
    await asyncio.sleep(0.02)
    return bool(user)


async def audit(user):
    await asyncio.sleep(0.03)
    manager = await process_user(managers[user])
    print(f"{user} is approved by {manager['name']}")


async def main():
    request = asyncio.create_task(process_user("ann"), name="request")
    _done, stuck = await asyncio.wait([request], timeout=2.5)
    for each in [*stuck, *in_flight.values()]:
        each.cancel()
    (result,) = await asyncio.gather(request, return_exceptions=True)
    print(f"request: {result!r:.70}")


if __name__ == "__main__":
    asyncio.run(main())
