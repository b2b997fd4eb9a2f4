"""The pure stages, run in a process of their own beside the worker, so that both cores of a small machine are used.

The worker talks to Kafka and ClickHouse and keeps the batches; this process has no connection but the one to its
worker, and ends with it. What passes between them is in :mod:`pipeline.stages.messages`::

    worker                                  stages
      Begin(topic, first, last)      →
      Take([record, record, …])      →
                                     ←      Lines({"errors": b'[…]\\n[…]\\n'})
      Take([…])                      →
      End()                          →
                                     ←      Lines(…)
                                     ←      Ended(counts, dead letters)
"""
