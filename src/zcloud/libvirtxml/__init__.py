"""A typed, lossless mapping of libvirt's XML: one line per attribute, no policy, no I/O.

``mapping`` is the language, ``domain``, ``network``, ``capabilities`` and ``storage`` are the documents.
"""
