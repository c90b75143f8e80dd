"""What a guest is told about itself, and how it says that it is ready."""
