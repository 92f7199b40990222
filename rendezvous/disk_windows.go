package rendezvous

import "golang.org/x/sys/windows"

func diskOf(dir string) (disk Disk, err error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return disk, err
	}
	err = windows.GetDiskFreeSpaceEx(path, &disk.Free, &disk.Size, nil)
	return disk, err
}
