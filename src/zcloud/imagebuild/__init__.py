"""Bootable cloud images made from a distribution's own packages.

``build.build_image`` makes one from a recipe; ``disk.assemble`` puts a disk together that boots by
BIOS and by UEFI, without loop devices, and serves small test guests as well.
"""
