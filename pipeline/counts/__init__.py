"""From the topic ``counts`` to alerts: windows in event time, known issues, and the consumer that applies them."""
