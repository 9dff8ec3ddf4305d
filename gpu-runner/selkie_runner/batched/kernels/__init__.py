"""Products, attention and elementwise operations on packed rows, and how many threads compute them."""
