"""Two transfers in opposite directions: the classic deadlock of two locks taken in opposite order.

Run it with the agent and it tells you what happened, while it happens:

    UNSTUCK=1 python examples/bank_transfer.py
"""

import asyncio


class Account:
    def __init__(self, balance):
        self.lock = asyncio.Lock()
        self.balance = balance


async def transfer(accounts, source, target, amount):
    async with accounts[source].lock:
        await asyncio.sleep(0.05)  # ask the fraud service
        async with accounts[target].lock:
            accounts[source].balance -= amount
            accounts[target].balance += amount


async def main():
    accounts = {"A": Account(100), "B": Account(100)}
    transfers = [
        asyncio.create_task(transfer(accounts, "A", "B", 30), name="transfer-1"),
        asyncio.create_task(transfer(accounts, "B", "A", 50), name="transfer-2"),
    ]
    _done, stuck = await asyncio.wait(transfers, timeout=1.5)
    for each in stuck:
        each.cancel()
    results = await asyncio.gather(*transfers, return_exceptions=True)
    for each, result in zip(transfers, results, strict=True):
        print(f"{each.get_name()}: {'done' if result is None else repr(result)[:70]}")


if __name__ == "__main__":
    asyncio.run(main())
