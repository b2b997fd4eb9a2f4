"""The JSON of a message: decoding, normalised fields, the topic it belongs on, the match language of rules. No I/O."""
