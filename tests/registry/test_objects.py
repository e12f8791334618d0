"""What a write does to an object, and what it carries along."""

from __future__ import annotations

from typing import Any

import pytest

from kcpfast.meta.errors import ApiError
from kcpfast.registry import index, values
from kcpfast.registry.identity import assign_identity
from kcpfast.registry.objects import Change, Objects, Target
from kcpfast.registry.reader import Reader
from kcpfast.resources.builtin import BY_PLACE
from kcpfast.store.contract import Check, Put, Store, number
from kcpfast.work import pieces
from kcpfast.work.aside import LARGE

MAPS = BY_PLACE["", "v1", "configmaps"]
A = Target(MAPS, "c", "n", "a")
Object = dict[str, Any]


@pytest.fixture
def objects(store: Store) -> Objects:
    return Objects(Reader(store), {})


async def create(objects: Objects, name: str = "a", **meta: Any) -> Object:
    async def prepare() -> Change:
        obj: Object = {"metadata": {"name": name, **meta}, "data": {"k": "v"}}
        assign_identity(MAPS, obj, "c", "n")
        return Change(obj)

    return (await objects.create(A._replace(name=""), prepare)).obj


async def change(objects: Objects, target: Target = A, **data: str) -> Object:
    async def changing(old: Object) -> Change:
        return Change({**old, "data": data})

    return (await objects.update(target, changing)).obj


def counted(objects: Objects) -> int:
    return number(objects.store.index_get(index.count("c", "n", MAPS.storage)))


async def test_object_lives_and_is_counted(objects: Objects) -> None:
    made = await create(objects)
    assert made["metadata"]["resourceVersion"] == "1"
    assert (await change(objects, k="w"))["data"] == {"k": "w"}
    assert (objects.load(A)["metadata"]["resourceVersion"], counted(objects)) == ("2", 1)

    async def delete(_old: Object) -> Change:
        return Change(None)

    await objects.update(A, delete)
    assert (objects.find(A), counted(objects)) == (None, 0)
    with pytest.raises(ApiError, match='configmaps "a" not found'):
        objects.load(A)


async def test_name_that_is_taken(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    await create(objects)
    with pytest.raises(ApiError, match="already exists"):
        await create(objects)
    names = iter(["g-1", "g-1", "g-2"])
    monkeypatch.setattr("kcpfast.registry.identity.generate_name", lambda _prefix: next(names))
    first = await create(objects, "", generateName="g-")
    second = await create(objects, "", generateName="g-")
    assert [each["metadata"]["name"] for each in (first, second)] == ["g-1", "g-2"]


async def test_update_is_made_again_if_somebody_was_faster(objects: Objects) -> None:
    await create(objects)
    seen = []

    async def slow(old: Object) -> Change:
        seen.append(old["data"])
        if len(seen) == 1:
            await change(objects, k="theirs")
        return Change({**old, "data": {**old["data"], "mine": "too"}})

    saved = await objects.update(A, slow)
    assert seen == [{"k": "v"}, {"k": "theirs"}]
    assert saved.obj["data"] == {"k": "theirs", "mine": "too"}


async def test_update_that_never_succeeds_ends_as_a_conflict(objects: Objects) -> None:
    await create(objects)

    async def impossible(old: Object) -> Change:
        return Change({**old, "data": {}}, [Check(A._replace(name="missing").key(), 1)])

    with pytest.raises(ApiError) as caught:
        await objects.update(A, impossible)
    assert caught.value.reason == "Conflict"


async def test_what_is_left_as_it_is_takes_no_revision(objects: Objects) -> None:
    await create(objects)
    before = objects.store.revision()
    await change(objects, k="v")
    assert objects.store.revision() == before


async def test_last_finalizer_lets_go(objects: Objects) -> None:
    await create(objects, finalizers=["x.io/a"])

    async def mark(old: Object) -> Change:
        return Change({**old, "metadata": {**old["metadata"], "deletionTimestamp": "t"}})

    async def release(old: Object) -> Change:
        meta = {key: value for key, value in old["metadata"].items() if key != "finalizers"}
        return Change({**old, "metadata": meta})

    await objects.update(A, mark)
    assert objects.find(A) is not None
    await objects.update(A, release)
    assert (objects.find(A), counted(objects)) == (None, 0)


async def test_owners_are_filed(objects: Objects) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u-1"}
    await create(objects, ownerReferences=[owner])
    within = index.owner("c", index.digest("u-1"))
    assert [value for _, value in objects.store.index_scan(within)] == [A.key()]

    async def orphan(old: Object) -> Change:
        meta = {key: value for key, value in old["metadata"].items() if key != "ownerReferences"}
        return Change({**old, "metadata": meta})

    await objects.update(A, orphan)
    assert not objects.store.index_scan(within)


@pytest.mark.parametrize("name", ["a\0b", "x" * 600])
async def test_name_that_no_object_can_have_is_not_found(objects: Objects, name: str) -> None:
    with pytest.raises(ApiError, match="not found"):
        objects.record(A._replace(name=name))


async def test_what_others_write_in_the_same_commit(objects: Objects) -> None:
    async def prepare() -> Change:
        obj: Object = {"metadata": {"name": "a"}}
        assign_identity(MAPS, obj, "c", "n")
        return Change(obj, [Put(b"other\0c\0\0x", b"v")])

    saved = await objects.create(A._replace(name=""), prepare)
    assert objects.store.get(b"other\0c\0\0x") == (saved.revision, b"v")


LABELS: list[Object] = [
    {"metadata": {"name": "a"}},
    {"metadata": {"name": "a", "labels": {}}},
    {"metadata": {"labels": {"a": "b", "é": '"\\'}, "name": "a"}, "data": {"labels": "no"}},
    {"data": {"metadata": '{"labels":{"x":"y"}}'}, "metadata": {"name": "a", "labels": {"x": ""}}},
]


@pytest.mark.parametrize("large", [values._LARGE, 1])
@pytest.mark.parametrize("obj", LABELS)
def test_labels_are_read_without_the_rest(
    obj: Object, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "_LARGE", large)
    value = values.encode(MAPS, obj)
    assert values.labels(value) == (obj["metadata"].get("labels") or {})
    assert values.metadata(value) == obj["metadata"]
    assert values.decode(MAPS, 7, value) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        **obj,
        "metadata": {"resourceVersion": "7", **obj["metadata"]},
    }


def test_metadata_is_decoded_without_what_is_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = list[bytes]()
    decode = pieces.decode

    def noted(text: bytes) -> Any:
        texts.append(text)
        return decode(text)

    monkeypatch.setattr(pieces, "decode", noted)
    obj: Object = {"metadata": {"name": "a", "labels": {"{": "}"}}, "data": {"a": "b" * 2**19}}
    assert values.metadata(values.encode(MAPS, obj)) == obj["metadata"]
    assert len(texts) == 1
    assert len(texts[0]) < 100


@pytest.mark.parametrize(("size", "jobs"), [(LARGE, 0), (LARGE + 1, 1)])
async def test_what_is_large_is_encoded_beside_the_loop(
    objects: Objects, size: int, jobs: int
) -> None:
    async def prepare() -> Change:
        obj: Object = {"metadata": {"name": "a"}}
        assign_identity(MAPS, obj, "c", "n")
        return Change(obj, size=size)

    async def grow(old: Object) -> Change:
        return Change(old | {"data": {"a": "b"}}, size=size)

    await objects.create(A._replace(name=""), prepare)
    assert objects.aside.jobs == jobs
    await objects.update(A, grow)
    assert objects.aside.jobs == 2 * jobs
