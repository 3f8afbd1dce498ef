"""Images, masks, lists and class lists as files."""
