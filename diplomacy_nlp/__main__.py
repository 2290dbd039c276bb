"""``python -m diplomacy_nlp`` is the command line."""

from diplomacy_nlp.cli import main

if __name__ == "__main__":
    main()
