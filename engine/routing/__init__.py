"""Who receives traffic: neutral routes written in the language of one proxy each."""
