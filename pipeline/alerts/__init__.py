"""Alert rules as data, and the alerts with their evidence that follow from them. No I/O."""
