"""What SQLite keeps beside the events by itself: what changed; nothing of what was deleted.

`event_change` and `keyframe_change` say which events were changed or deleted, and which keyframes moved, since
`store.event_index` was written: `seq` is when, by the counter `change`.
"""

_NOTE = """UPDATE counter SET value = value + 1 WHERE name = 'change';
    DELETE FROM {of}_change WHERE {of}_id = old.{of}_id;
    INSERT INTO {of}_change SELECT old.{of}_id, value FROM counter WHERE name = 'change';"""

EVENT_SCHEMA = (
    "CREATE INDEX IF NOT EXISTS event_by_until ON event (until_ns)",
    "CREATE INDEX IF NOT EXISTS event_by_entity ON event (entity_id, until_ns)",
    "CREATE INDEX IF NOT EXISTS event_by_source ON event (source, stamp_ns)",
    "CREATE INDEX IF NOT EXISTS event_by_label ON event (label) WHERE label IS NOT NULL",
    "INSERT OR IGNORE INTO counter VALUES ('change', 0)",
    "CREATE TABLE IF NOT EXISTS event_change (event_id INTEGER PRIMARY KEY, seq INTEGER)",
    "CREATE INDEX IF NOT EXISTS event_change_by_seq ON event_change (seq)",
    "CREATE TABLE IF NOT EXISTS keyframe_change (keyframe_id INTEGER PRIMARY KEY, seq INTEGER)",
    f"""CREATE TRIGGER IF NOT EXISTS event_changed AFTER UPDATE ON event BEGIN
    {_NOTE.format(of="event")} END""",
    f"""CREATE TRIGGER IF NOT EXISTS keyframe_moved AFTER UPDATE ON keyframe
    WHEN old.T_map_kf <> new.T_map_kf BEGIN {_NOTE.format(of="keyframe")} END""",
    f"""CREATE TRIGGER IF NOT EXISTS event_gone AFTER DELETE ON event BEGIN
    DELETE FROM embedding WHERE event_id = old.event_id;
    {_NOTE.format(of="event")} END""",
)
