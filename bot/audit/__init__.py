"""The audit: every row of what was done, verified, exported and told as a report."""
