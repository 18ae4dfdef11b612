"""Getting and keeping models: a catalogue with hashes, the places they come from, one folder that all clones share.

Knows nothing about settings, engines, retrieval or the web. `store.ModelStore` is the way in: `pull`, `path`,
`verify`, `list`, and `resolve`, which turns what a setting says into a `spec.ResolvedModel`.
"""
