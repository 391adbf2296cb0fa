"""Rights: what each line needs, what a person was granted, and so what they see and who is asked."""
