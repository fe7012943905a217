"""Files in which somebody wrote down what architectures measure, read row by row."""
