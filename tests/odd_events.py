"""Events as no SDK makes them, for hypothesis to choose from."""

from __future__ import annotations

from hypothesis import strategies as st

from schemas.event import Event

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
weird_events = st.dictionaries(st.sampled_from(Event.__struct_fields__) | st.text(max_size=4), json_values, max_size=6)
