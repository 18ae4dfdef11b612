"""Search: from text to ranked passages. The index is derived from the log: deleting it costs minutes, no data.

Read the modules in this order. Each uses only modules above it.

    passage    the values passed around: Passage, Row, Change, Hit
    errors     the errors of retrieval
    invisible  characters that nobody sees: names, shows and removes them
    orders     sentences that tell a model what to do
    text       one normal form of a text, its language, its search tokens
    chunk      cuts a document's text into chunks with their heading paths
    embed      turns text into unit vectors, with a SentenceTransformer
    fuse       combines several rankings
    vectors    exact nearest neighbours (the only file that uses faiss)
    keywords   BM25 whose statistics are those of the live passages
    index      both together, as a persistent value: applying a change gives a new index
    snapshot   verified copies of an index on disk
    follow     keeps an index in step with the log; compaction and snapshots in the background
    search     the one search of the product: hybrid, at the newest state or on a candidate
    langchain  the search as a LangChain retriever

Decision: a persistent index instead of one that is changed in place. A question, a proof on a candidate and a rollback
then need no locks and no copies, because each keeps the index that it works on. The cost: every search also reads
an overlay, and a compaction runs in the background.

Decision: results depend only on the live passages, never on history. So a rollback restores every answer's sources
exactly, and a proof on a candidate shows the results after approval. The cost: our own BM25, and a second, exact
scoring of the vectors that faiss proposes.
"""
