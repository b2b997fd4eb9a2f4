"""Bugs of platforms whose SDKs are not run here, shaped after the published event format.

Each module has ``BUGS``: family and bug, and the events that are occurrences of it. A frame is written
``function @ module @ file``; what is not given is not sent.
"""
