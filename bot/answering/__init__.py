"""The path of a question: condense → curated match → search → evidence → reader → answer with verified citations.

``answer.Answerer`` walks it; ``values`` has the values that go in and come out, and the protocols of what may be
exchanged: a ``Reader`` makes an answer of a question and passages. There are two, ``chat_reader`` with a chat model
(prompt, doubt, reply) and ``extractive`` without one. Nothing here is stored, and nothing is known of the web or of one
particular model.
"""
