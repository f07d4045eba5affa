"""The ``gan-lightning`` command."""

from gan_lightning.commands.main import main

if __name__ == "__main__":
    main()
