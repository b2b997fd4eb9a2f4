-- In which generation of the consumer group a batch was begun: where two differ, the later one's stands.

ALTER TABLE batches ADD COLUMN IF NOT EXISTS generation UInt32;
