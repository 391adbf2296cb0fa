"""What targets on one machine share: instances behind an Envoy of their own, whoever runs them.

A target is a `crew`, which runs instances, under `target`, which decides what is run and who gets requests.
"""
