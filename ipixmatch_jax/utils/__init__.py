"""Files, pictures, versions and other helpers that know no segmentation."""
