"""What is published of each recommended item beside its score: a sentence, and the paths of its reasons."""
