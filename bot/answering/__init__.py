"""The path of a question: condense → curated match → search → evidence → reader → answer with verified citations.

``answer.Answerer`` takes these steps. ``values`` has the values that go in and come out, and the protocols of the parts
that can be replaced. A ``Reader`` makes an answer from a question and passages. There are two readers: ``chat_reader``
with a chat model (prompt, doubt, reply) and ``extractive`` without one. This package stores nothing and knows nothing
of the web or of any particular model.
"""
