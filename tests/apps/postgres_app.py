"""PostgreSQL: a pool of asyncpg's with a listener, and one of SQLAlchemy's, both with more users than connections."""

from __future__ import annotations

import asyncio
import contextlib
import os

import asyncpg
from sqlalchemy import String, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from .common import cancelled, load, run, signalled

URL = os.environ["APP_POSTGRES"]


class Base(DeclarativeBase):
    """The tables."""


class Account(Base):
    __tablename__ = "account"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    money: Mapped[int] = mapped_column(default=100)


class Bank:
    """Handlers that use asyncpg's pool."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool

    async def move(self) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute("update account set money = money - 1 where name = 'a'")
            await connection.execute("update account set money = money + 1 where name = 'b'")

    async def audit(self) -> None:
        connection = await self.pool.acquire()
        try:
            await self._check(connection)
        finally:
            await self.pool.release(connection)

    async def _check(self, connection: asyncpg.pool.PoolConnectionProxy) -> None:
        total = await connection.fetchval("select sum(money) from account")
        if total % 2 == 0:
            raise ValueError("an even total")


async def listen() -> None:
    """Waits for notifications, of which there are few."""
    connection = await asyncpg.connect(URL)
    heard: asyncio.Queue[str] = asyncio.Queue()
    await connection.add_listener("news", lambda *note: heard.put_nowait(note[-1]))
    try:
        while True:
            await heard.get()
    finally:
        await connection.close()


async def main() -> None:
    engine = create_async_engine(URL.replace("postgresql:", "postgresql+asyncpg:"), pool_size=5, max_overflow=2)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with sessions.begin() as session:
        session.add_all([Account(name="a"), Account(name="b")])

    async def reads() -> None:
        async with sessions() as session:
            found = await session.scalars(select(Account).order_by(Account.name))
            assert ["a", "b"] == [each.name for each in found]

    async def streams() -> None:
        async with engine.connect() as connection:
            async for _ in await connection.stream(select(Account)):
                await asyncio.sleep(0)

    async def collides() -> None:
        with contextlib.suppress(IntegrityError):
            async with AsyncSession(engine) as session, session.begin():
                session.add(Account(name="a"))

    async with asyncpg.create_pool(URL, min_size=2, max_size=5, max_inactive_connection_lifetime=0.5) as pool:
        bank, listening = Bank(pool), asyncio.create_task(listen())

        async def audits() -> None:
            with contextlib.suppress(ValueError):
                await bank.audit()

        async def tells() -> None:
            await pool.execute("notify news, 'hello'")

        await load(*[bank.move] * 6, *[audits] * 4, tells, *[reads] * 6, *[streams] * 3, *[collides] * 2, pause=0.01)
        await signalled()
        await cancelled(listening)
    await engine.dispose()


if __name__ == "__main__":
    run(main)
