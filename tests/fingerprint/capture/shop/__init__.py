"""A small program that fails in many ways, so that real SDKs have something real to capture."""
