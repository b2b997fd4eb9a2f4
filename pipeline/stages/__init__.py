"""The pure stages, run in processes of their own beside the worker, so that both cores of a small machine are used.

The worker talks to Kafka and ClickHouse and keeps the batches, compressed; each of these processes has no connection
but the one to its worker, and ends with it. What passes between them is in :mod:`pipeline.stages.messages`::

    worker                                  stages
      Begin(topic, first, last)      →
      Take(record batch)             →
                                     ←      Lines({"errors": b'[…]\\n[…]\\n'})
                                     ←      Lines(…)
      Take(record batch)             →
      End()                          →
                                     ←      Lines(…)
                                     ←      Ended(counts, dead letters)
"""
