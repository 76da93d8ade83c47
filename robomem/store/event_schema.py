"""What SQLite keeps beside the events by itself: their words, findable, and nothing of what was deleted."""

EVENT_SCHEMA = (
    "CREATE INDEX IF NOT EXISTS event_by_until ON event (until_ns)",
    "CREATE INDEX IF NOT EXISTS event_by_entity ON event (entity_id)",
    "CREATE INDEX IF NOT EXISTS event_by_source ON event (source, stamp_ns)",
    "CREATE INDEX IF NOT EXISTS event_by_label ON event (label) WHERE label IS NOT NULL",
    """CREATE VIRTUAL TABLE IF NOT EXISTS event_text USING fts5
    (text, content = 'event', content_rowid = 'event_id', tokenize = 'porter unicode61')""",
    """CREATE TRIGGER IF NOT EXISTS event_born AFTER INSERT ON event BEGIN
    INSERT INTO event_text (rowid, text) VALUES (new.event_id, new.text);
    END""",
    """CREATE TRIGGER IF NOT EXISTS event_reworded AFTER UPDATE ON event
    WHEN old.text <> new.text BEGIN
    INSERT INTO event_text (event_text, rowid, text) VALUES ('delete', old.event_id, old.text);
    INSERT INTO event_text (rowid, text) VALUES (new.event_id, new.text);
    END""",
    """CREATE TRIGGER IF NOT EXISTS event_gone AFTER DELETE ON event BEGIN
    INSERT INTO event_text (event_text, rowid, text) VALUES ('delete', old.event_id, old.text);
    DELETE FROM embedding WHERE event_id = old.event_id;
    END""",
)
