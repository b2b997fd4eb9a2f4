"""The worker: the wiring of the Faust app, its start, its health and its pages."""
