"""The pure rules that client and server share, and the documented faces beside them."""
