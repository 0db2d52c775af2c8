package blob

// syncDir does nothing: Windows has no way to flush a directory, and NTFS
// journals renames.
func syncDir(string) error { return nil }
