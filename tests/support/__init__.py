"""What tests of several areas use: invented machines, running programs, readers of output."""
