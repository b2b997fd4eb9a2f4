"""One command a claim: each measures itself beside peers on the same work, in the same run."""
