"""Making a pipeline without writing one: templates, and a few questions in chat."""
