"""How a speaker with a foreign accent pronounces English: some sounds are replaced by others.

Which ones differ from speaker to speaker: `synthesis_accents.txt` gives each voice its own. What
they are drawn from is what speakers of Mandarin, Japanese, Hindi, Russian, German, French, Italian
and Spanish are known for (Swan and Smith 2001, "Learner English").
"""

import re


def accented(phonemes: str, accent: str) -> str:
    """Phonemes as a speaker with an accent says them.

    Args:
        phonemes: a sentence in IPA, a character a sound.
        accent: replacements with "+" between them: the sound, "." if it is replaced only at the end
            of a word, and what takes its place, which may be nothing.

    Example:
        >>> accented("ðə bˈɛd ðˈæts ɡˈʊd", "ðd+d.t+ʊu")
        'də bˈɛt dˈæts ɡˈut'
    """
    rules = accent.split("+") if accent else []
    last = {rule[0]: rule[2:] for rule in rules if rule[1:2] == "."}
    always = {rule[0]: rule[1:] for rule in rules if rule[1:2] != "."}
    phonemes = re.sub(r"\w(?!\w)", lambda found: last.get(found[0], found[0]), phonemes)
    return "".join(always.get(sound, sound) for sound in phonemes)
