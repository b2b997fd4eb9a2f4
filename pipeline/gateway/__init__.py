"""The gateway: HTTP in the form that Sentry's SDKs speak, in; messages for Kafka, out.

A request passes ``server`` (HTTP) → ``endpoint`` (``auth``, ``encodings``, ``envelope`` or ``store``, ``projects``,
``rates``, ``items``) → ``sink`` (Kafka). Everything between the two edges is pure and knows neither of them.
"""
