"""A store in a process of its own, whose disk fails as it is told: asked over pipes.

Runs with faults.so preloaded. The first process only forks: each store is opened by a fork of it,
which the power cut or the kill ends; that costs milliseconds, not a start of the interpreter.
"""

from __future__ import annotations

import asyncio
import copyreg
import ctypes
import os
import pickle
import struct
import sys
from pathlib import Path
from typing import Any

from kcpfast.store.contract import Conflict, StoreError
from kcpfast.store.lmdb import LmdbStore

LIBRARY = ctypes.CDLL(None)
copyreg.pickle(Conflict, lambda error: (Conflict, (error.key, error.current)))


def send(message: object) -> None:
    data = pickle.dumps(message)
    os.write(1, struct.pack("<I", len(data)) + data)


def receive() -> Any:
    head = sys.stdin.buffer.read(4)
    if not head:
        os._exit(0)
    return pickle.loads(sys.stdin.buffer.read(struct.unpack("<I", head)[0]))


def begin(folder: Path, plan: tuple[int, ...]) -> None:
    """Let faults happen from now on."""
    LIBRARY.faults_begin(os.fsencode(folder), *plan)


async def answer(store: LmdbStore, word: str, argument: Any) -> Any:
    """Do what is asked of a store; what it raises is returned."""
    try:
        if word == "commit":
            return await store.commit(argument)
        if word == "together":
            return await asyncio.gather(*map(store.commit, argument), return_exceptions=True)
        if word == "compact":
            return await store.compact(argument)
        if word == "probe":
            return await store.probe()
        if word == "state":
            return store.state()
    except StoreError as error:
        return error
    raise AssertionError(word)


def serve(folder: Path, plan: tuple[int, ...] | None) -> None:
    """Open a store and answer until it is to be closed, or the process is ended."""
    if plan is not None:
        begin(folder, plan)
    try:
        store = LmdbStore(folder, map_size=1 << 20)
    except StoreError as error:
        send(error)
        return
    send(store.revision())
    with asyncio.Runner() as runner:
        while True:
            word, argument = receive()
            if word == "close":
                store.close()
                send(LIBRARY.faults_count())
                return
            if word == "faults":
                begin(folder, argument)
                send(None)
            else:
                send(runner.run(answer(store, word, argument)))


def main() -> None:
    """Fork a store for each that is asked for; tell how each ended."""
    while True:
        folder, plan = receive()
        child = os.fork()
        if not child:
            code = 1
            try:
                serve(folder, plan)
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        send(("ended", os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    main()
