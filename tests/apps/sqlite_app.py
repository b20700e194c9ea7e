"""aiosqlite: a thread for each connection, shared ones and short ones, and SQLAlchemy's pool over it."""

from __future__ import annotations

import asyncio
import os
import tempfile

import aiosqlite
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from .common import load, run, signalled


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "app.db")
        engine = create_async_engine(f"sqlite+aiosqlite:///{path}", pool_size=3, connect_args={"timeout": 30})
        async with aiosqlite.connect(path, timeout=30) as shared:
            await shared.execute("pragma journal_mode = wal")
            await shared.execute("create table visit (id integer primary key, what text)")
            await shared.commit()
            writing = asyncio.Lock()

            async def writes() -> None:
                async with writing:
                    await shared.execute("insert into visit (what) values ('x')")
                    await shared.commit()

            async def reads() -> None:
                async with shared.execute("select * from visit order by id desc limit 20") as cursor:
                    async for _ in cursor:
                        pass

            async def visits() -> None:
                async with aiosqlite.connect(path, timeout=30) as own:
                    await own.execute_fetchall("select count(*) from visit")

            async def asks() -> None:
                async with engine.connect() as connection:
                    await connection.execute(text("select count(*) from visit"))

            await load(*[writes] * 3, *[reads] * 3, visits, *[asks] * 6, pause=0.01)
            await signalled()
        await engine.dispose()


if __name__ == "__main__":
    run(main)
