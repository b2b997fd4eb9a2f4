"""The stack on one machine: a ClickHouse, a broker and workers as child processes, all on the loopback.

One module a server (`clickhouse`, `embedded_broker`, `kafka`), each a :class:`~deploy.local.component.Component`;
`stack` puts them together for ``aftershock up``, the demo, the benchmarks and the tests.
"""
