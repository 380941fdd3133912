"""The steps, one file for each part of a cluster's life."""
