"""The path of a question: condense → curated match → search → evidence → prompt → reply → citations verified.

``answer.Answerer`` walks it; ``exchange`` has the values that go in and come out, and what the path needs of a chat
model. Nothing here is stored, and nothing is known of the web or of one particular model.
"""
