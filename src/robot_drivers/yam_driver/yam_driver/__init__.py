"""Two YAM arms of I2RT behind the topics of every driver, and their leader arms."""
