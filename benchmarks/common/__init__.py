"""The instruments: swarms, load, yardsticks and the records of what they found.

Rule: p2pcore is reached through `subject` and nowhere else.
"""
