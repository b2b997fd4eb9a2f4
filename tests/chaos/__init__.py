"""Breaking it: does Aftershock keep "nothing lost, nothing counted twice", whatever is killed?

``python -m tests.chaos run SEED`` needs Java 17, and Maven once. ``make chaos-short`` is the short form and ``make
chaos`` the long one; ``python -m tests.chaos --help`` shows the others, ``python -m tests.chaos kinds`` the kinds of
fault.

A seed
    is one installation: Apache Kafka, ClickHouse, a gateway, and two or three workers, each of which talks to the
    servers through a proxy of its own (:mod:`~tests.chaos.proxy`). Everything listens on the loopback, and every
    process that is started ends with the harness. The seed decides the settings (four variants:
    :mod:`~tests.chaos.settings`), the events, and what is drawn for the faults.

A round
    sends events that nobody has sent before, each with an id of its own, into a project of its own: some 9,000 errors
    straight into Kafka (:mod:`~tests.chaos.load`), and beside them a few envelopes through the gateway and a few spans
    and sessions. Meanwhile one thing is broken (``single``), or two or three (``mixed``). When the consumer group's lag
    is zero and no alert is waited for any more, everything is compared. Should the lag not become zero, the workers
    are killed by hand and the round says so.

What is compared (:mod:`~tests.chaos.rounds`)
    * rows of ``errors``: ids, times, weights, places on the topic, one fingerprint for each issue
    * every sum of them, by its full key, with users: ``errors_per_minute``, ``errors_per_hour``, ``issues`` with first
      and last times, ``releases``; all earlier rounds' totals once more
    * spans with ``transactions_per_minute``, sessions and their aggregates with ``sessions_per_hour``, and ``releases``
    * alerts on the topic: each rule's groups, firing and resolved, each once and with its value. Groups have exactly as
      many events as a threshold, or one less, so one event too many or too few changes which alerts there are. The
      table of alerts, and that the events they name are stored
    * envelopes: what was answered with 200 is there once; what was not may be there once
    * dead letters: those that a fault gives reason to, and no others
    * the ledger: the batches of each partition follow each other without a hole up to the committed offset
    * how many records there are on the topic, so that it is not the harness that has lost one

    What is not right at first is looked at again after half a minute. That a comparison sees is proven by making things
    wrong on purpose: ``--sabotage`` for a whole round, ``--prove`` for every comparison after a small round.

To reproduce a seed
    run it again with the same number, rounds, mode, kinds and settings: events and draws are the same. Which draw a
    fault gets, and what is under way when it strikes, also depends on time, so a rare violation may need the same seed
    several times. A run that found something keeps its directory: logs, data, and ``evidence-<round>`` with what was
    wrong, the faults with their times, the events with their offsets, the ledger, the alerts, the lag twice a second.

To add a kind of fault
    write a generator in :mod:`tests.chaos.faults`: it takes the installation, does something, and yields how many
    seconds it waits. It draws from ``here.chance``, notes its fault with ``here.fault``, and leaves everything as it
    was, but for what the product has to mend by itself. Put it *behind* the others in ``ADDED``: seeds get their kinds
    by place. If it puts events on topics that have to become dead letters, or may be missing, it says so to the
    installation. A kind that shows a fault of the product that is not mended yet stands in ``APART`` with the reason,
    and is left out of all rotations until then.
"""
