"""Whether a map is to be trusted: questions to it, each with an answer that can be measured."""
