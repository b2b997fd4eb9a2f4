"""Write what ``sentry_sdk`` captures straight into Kafka, where Aftershock reads it.

::

    import sentry_sdk
    from aftershock_transport import KafkaTransport

    sentry_sdk.init(transport=KafkaTransport("127.0.0.1:9092", project="shop"))
"""

from aftershock_transport.transport import KafkaTransport

__all__ = ["KafkaTransport"]
