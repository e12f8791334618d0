"""Keys, revisions and values: one writer, many readers, group commit.

Bytes only. `contract` says what a store is; `lmdb` is the one that serves, `memory` the one that
tests and short-lived servers use. Called by registry, watch and controllers through the contract.
"""
