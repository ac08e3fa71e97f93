"""OpenAI's Images API on Darkroom's jobs: an unmodified OpenAI client works.

A request becomes a job as any other does; what is OpenAI's own is here: its fields, its answers, its stream of partial
images, and its clients' habit to send a request again when no answer came.
"""
