"""Looks at hosts and guests and writes down what it sees; lists and pages come from there, never from a host.

Healed and logged: anti-spoofing elements, DHCP entries, guests that paused for want of space. Recorded and shown, never
touched: power, deletion, definitions changed behind our back.
"""
