"""What a server does once a minute."""

from kcpfast.registry import index
from kcpfast.registry.expiry import EVENT_LIFETIME
from kcpfast.server.maintenance import HISTORY_MILLISECONDS, Maintenance
from tests.fix_inside import CONFIG_MAPS, Inside, Json, config_map

EVENTS = "/api/v1/namespaces/default/events"
MINUTE = 60_000
HOUR = MINUTE * (EVENT_LIFETIME + 1)


def event(name: str) -> Json:
    about = {"kind": "ConfigMap", "namespace": "default", "name": "a"}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name},
        "involvedObject": about,
    }


async def test_events_go_after_an_hour(inside: Inside) -> None:
    upkeep = Maintenance(inside.store, inside.objects)
    now = inside.store.clock()
    await inside.create(EVENTS, event("one"))
    await inside.create(CONFIG_MAPS, config_map("stays"))
    await upkeep.round(now)
    assert await inside.get(f"{EVENTS}/one") is not None
    await upkeep.round(now + HOUR + MINUTE)
    assert await inside.get(f"{EVENTS}/one") is None
    assert await inside.get(f"{CONFIG_MAPS}/stays") is not None
    assert not inside.store.index_scan(index.EXPIRES)
    assert not inside.store.index_scan(b"lives\0")


async def test_an_event_that_was_deleted_expires_no_more(inside: Inside) -> None:
    await inside.create(EVENTS, event("one"))
    await inside.delete(f"{EVENTS}/one")
    await Maintenance(inside.store, inside.objects).round(inside.store.clock() + HOUR + MINUTE)
    assert not inside.store.index_scan(index.EXPIRES)


async def test_history_is_kept_for_ten_minutes(inside: Inside) -> None:
    upkeep, now = Maintenance(inside.store, inside.objects), inside.store.clock()
    await upkeep.round(now)
    assert inside.store.compacted() == 0
    revision = inside.store.revision()
    await upkeep.round(now + HISTORY_MILLISECONDS + MINUTE)
    assert inside.store.compacted() == revision
