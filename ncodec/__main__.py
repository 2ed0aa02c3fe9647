"""`python -m ncodec` is the same as `ncodec`."""

from ncodec.cli import main

if __name__ == "__main__":
    main()
