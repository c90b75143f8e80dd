"""The commands, a module per noun or per large command."""
