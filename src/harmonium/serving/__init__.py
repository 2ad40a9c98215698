"""Serving: the recommender over HTTP, a store of people's ratings, and the built page.

`application.create` builds the application from `settings.Settings`; `running.serve` runs it. The room knows nothing of
training: a new model is a new file, which a running service picks up.
"""
