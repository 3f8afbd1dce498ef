"""The formats that predictions are written in, one file each."""
