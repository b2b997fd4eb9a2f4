"""The contracts: what enters the topics, what leaves them, and what SQL can see."""
