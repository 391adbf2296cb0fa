"""The doors that machines knock at: hooks that start pipelines and meet conditions of their stages."""
