"""What each operation does, step by step; ``registry.WORKFLOWS`` names them all."""
