"""The path of a correction: complaint → draft → proof on a candidate → approval or rollback, one transaction each.

``curation.Curation`` has every action of a curator; ``complaints`` what readers report; ``corrections`` the states and
the one function that changes them; ``publication`` what an approval will write, ``proof`` what it would change for
readers, ``approval`` the decision that joins these two, ``publish`` the writing.
"""
