"""Inbound: what is let in. Filters drop what nobody wants to see, sampling takes a part that stands for the whole.

The gateway and the worker use the same code: the gateway for what comes over HTTP, the worker for what was sent
straight to Kafka. Both decide alike, so nothing is lost twice by passing both. Pure.
"""

from pipeline.inbound.filters import headline
from pipeline.inbound.gate import EVERYTHING, Client, Inbound, Verdict
from pipeline.inbound.settings import FilterSettings, InboundPolicy, PlaceFilterSettings, SampleSettings

__all__ = (
    "EVERYTHING",
    "Client",
    "FilterSettings",
    "Inbound",
    "InboundPolicy",
    "PlaceFilterSettings",
    "SampleSettings",
    "Verdict",
    "headline",
)
