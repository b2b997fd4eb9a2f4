"""The worker: one module a stage, named after the stage."""

__version__ = "0.1.0"
