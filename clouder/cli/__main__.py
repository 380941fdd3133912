"""`python -m clouder.cli` is `clouder`."""

from clouder.cli import main

main()
