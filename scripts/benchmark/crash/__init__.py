"""What bench_crash consists of: processes that are killed (processes, nursery), people and programs that write
(clients), what they were promised (ledger), what is stored (facts), and the parts of the benchmark: kills, damage,
disk.

Decision: most runs use the hashing embedder of the tests, in processes that are forked from one that has imported
everything. A start then takes a fifth of a second instead of ten, so that a thousand kills fit into half an hour; all
else is the product's. ``--embedder real`` starts the program as people do, with the real model.
"""
