"""``python -m tests.golden`` writes a new golden file for each wire type whose sample or form changed. It never changes one."""

from tests.golden.files import WORDS, content, vocabulary, write
from tests.golden.samples import SAMPLES

written = [path for sample in SAMPLES if (path := write(type(sample).__name__.lower(), content(sample)))]
if words := write(WORDS, vocabulary()):
    written.append(words)
print(*(f"wrote {path.name}" for path in written) if written else ["nothing changed"], sep="\n")
