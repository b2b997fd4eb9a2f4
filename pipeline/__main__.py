"""``python -m pipeline``: the same as the command ``aftershock``."""

from pipeline.commands import main

if __name__ == "__main__":
    main()
