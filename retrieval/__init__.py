"""How we find it: from text to ranked passages. Derived from the log; delete the index and minutes are lost.

Read in this order; each module knows those above it at most.

    passage    the values passed around: Passage, Row, Change, Hit
    errors     what can go wrong
    text       one normal form of a text, its language, its search tokens
    chunk      a document's text to chunks with their heading paths
    embed      text to unit vectors; the SentenceTransformer behind it
    fuse       several rankings into one
    vectors    exact nearest neighbours (the only file that knows faiss)
    keywords   BM25 whose statistics are those of the live passages
    index      both, as a persistent value: apply a change, get a new index
    snapshot   verified copies of an index on disk
    follow     keeps an index in step with the log; compaction and snapshots in the background
    search     THE search: hybrid, at the newest state or on a candidate
    langchain  the search as a LangChain retriever

Decision: a persistent index instead of one that is changed in place. A question, a proof on a candidate and a rollback
then need no locks and no copies: each holds the value that it works on. It costs an overlay that every search looks
through, and a compaction in the background.

Decision: results depend on the live passages alone, never on history. So a rollback restores every answer's sources
exactly, and a proof on a candidate shows what approval will bring. It costs our own BM25, and a second, exact scoring
of the vector candidates.
"""
