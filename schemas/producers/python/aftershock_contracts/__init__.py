"""What stands on Aftershock's topics, with types: alerts, changes of issues, dead letters.

For programs that read them, or write changes of issues. It brings no Kafka client: give it the bytes that yours has.

::

    from aftershock_contracts import decode_alert

    alert = decode_alert(message.value)
    print(alert.severity, alert.title, alert.window_end - alert.window_start)
"""

from aftershock_contracts.alert import Alert, decode_alert, encode_alert
from aftershock_contracts.dead_letter import REPLAYED_FROM, DeadLetter, Replay, letter_id
from aftershock_contracts.issue_change import IssueChange, decode_issue_change, encode_issue_change, key_of

__all__ = [
    "REPLAYED_FROM",
    "Alert",
    "DeadLetter",
    "IssueChange",
    "Replay",
    "decode_alert",
    "decode_issue_change",
    "encode_alert",
    "encode_issue_change",
    "key_of",
    "letter_id",
]
