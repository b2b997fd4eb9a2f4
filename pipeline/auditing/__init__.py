"""Auditing: proof, from outside the worker, that every record was stored once; and the repair of what was not.

The ledger (``batches``) has a line for every batch that was begun. The batches of a partition follow each other, so a
range of offsets below the committed one that is in no batch was never processed: a hole. Whether anything is lost with
it only Kafka can say: what holds no record there (transaction markers, what was compacted away) is harmless, and what
lies before the beginning of the log has expired and cannot be read again.

* ``chain`` compares ranges, purely; ``ledger`` reads them and asks Kafka; ``rows`` looks for rows that are there twice.
* ``ranges`` reads a range of offsets again, and ``repair`` takes it through the stages into the tables.
* ``aggregates`` compares what the materialized views have added up with the rows that they were made from.

The order of reading is what keeps workers under load from looking like faults. A batch is in the ledger before any of
its rows is sent, and its rows are there before its offsets are committed. So committed offsets are read first and the
ledger afterwards, and what lies behind the committed offset is left alone.
"""
