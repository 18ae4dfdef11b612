"""What the benchmarks share: reading data, an embedder that remembers, metrics, intervals, a journal, results.

Scripts beside this folder (``bench_*.py``) import it; the product does not. Nothing here depends on the name, the ids
or the sentences of a data set. Layers: errors; data, answers, metrics, intervals, journal, results, remembering;
knowledge (a temporary installation); the scripts.
"""
