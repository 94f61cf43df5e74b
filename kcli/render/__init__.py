"""Pure: values -> the Java tools' words and columns."""
