"""The ``gan-lightning`` command."""

from gan_lightning.commands.cli import main

if __name__ == "__main__":
    main()
