"""Moodle as a course uses it: assignments, hand-ins, grades and rosters over its web services.

``wire`` speaks the protocol, ``answers`` types what comes back, ``client`` does what people want done and looks whether
it happened, ``compare``, ``match`` and ``table`` are pure, ``keys`` keeps the token.
"""
