"""From a topic to batches with fixed boundaries: the consumer, fencing, the reading sequence, the ledger of batches."""
