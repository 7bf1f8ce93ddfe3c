"""`serve`: its options, its addresses, its processes and the web servers in them."""
