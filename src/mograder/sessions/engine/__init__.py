"""The session engine: a small process apart from the hub that makes sandboxes and warm processes.

It runs inside the outer jail (`mograder.sandbox.jail`), holds no secret, and outlives the hub. The hub talks to it
over a unix socket; see `protocol` for the words.
"""
