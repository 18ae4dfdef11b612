"""What the benchmarks share. The product does not import it.

Of bench_retrieval and bench_answers: data, answers, metrics, intervals, journal, results and remembering; knowledge (a
temporary installation with documents); cases and handbook (what is asked). Nothing in them depends on the name, the ids
or the sentences of a data set.
"""
