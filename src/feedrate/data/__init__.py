"""What lies on disk: fields, data sets, their manifests, their writer and their formats."""
