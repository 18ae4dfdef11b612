"""Fetches and stores models: a catalogue with hashes, the sources, and one folder that all clones share.

Knows nothing about settings, engines, retrieval or the web. Use `store.ModelStore`: `pull`, `path`, `verify`,
`list`, and `resolve`, which turns the value of a setting into a `spec.ResolvedModel`.
"""
