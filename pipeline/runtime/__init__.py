"""The process itself: its metrics, its log, its memory."""
