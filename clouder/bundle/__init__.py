"""Bundles: everything a node needs, pinned and checked, as one directory."""
