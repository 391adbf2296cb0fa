"""What Sluice reaches, measured beside others in one run: `python -m tests.bench`."""
