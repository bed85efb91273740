"""From a study's tables to plain sentences: did transfer help, which strategy, how many labels."""
