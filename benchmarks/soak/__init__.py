"""A soak test: one worker at a steady rate for an hour, to see what grows and whether everything is stored once.

The parts, in the order of a run: ``load`` sends events and notes their ids; ``samples`` reads every process, the
worker's metrics and ClickHouse's parts every ten seconds; ``trend`` says of each series whether it is flat or grows,
``bounds`` how much it may grow; ``comparison`` compares what was sent with what is stored; ``plot`` draws the series.
``__main__`` is the command, ``python -m benchmarks.soak``. Linux only, as it reads /proc.
"""
