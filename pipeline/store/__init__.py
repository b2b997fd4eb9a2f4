"""From a batch to ClickHouse, exactly once: inserts with deduplication tokens, repeats, migrations, replay."""
