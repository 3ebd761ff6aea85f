"""The kept history: measurements in a compact form that lasts, apart from asv's working files.

docs/history.md says what it is for and describes every field. Rule: files and what is in them; git
and command lines are the rig's.
"""
