"""A mount of FOLDER at MOUNT that fails as FAULTS says: lines "ERRNO OPERATION PATH", read anew at each call. OPERATION may be "any".
NAMES "caseless": what differs in case only is one file; "caseless, cached": and the kernel keeps what it read by name; "fat": one second in two is kept, some names are
not taken, a dot at the end is lost, and permissions are what they are; "fat, no chmod": and whoever sets them is told so."""
import errno, os, sys
try:
    from fusepy import FUSE, FuseOSError, Operations
except ImportError:
    from fuse import FUSE, FuseOSError, Operations

FOLDER, MOUNT, FAULTS, NAMES = sys.argv[1:]


FAT = NAMES.startswith("fat")
BAD = set('<>:"|?*\\')


def behind(path, operation=""):
    if not FAT:
        return FOLDER + (path.lower() if NAMES != "exact" else path)
    if BAD.intersection(path):
        raise FuseOSError(errno.ENOENT if operation == "getattr" else errno.EINVAL)
    return FOLDER + "/".join(name.rstrip(". ") for name in path.split("/"))


class Sick(Operations):
    def __call__(self, operation, path, *args):
        with open(FAULTS) as faults:
            for line in faults:
                code, which, where = line.rstrip("\n").split(" ", 2)
                if where == path and which in ("any", operation):
                    raise FuseOSError(getattr(errno, code))
        return super().__call__(operation, behind(path, operation), *args)

    def getattr(self, path, fh=None):
        stats = os.lstat(path)
        names = ("st_atime", "st_ctime", "st_gid", "st_mode", "st_mtime", "st_nlink", "st_size", "st_uid", "st_ino")
        found = {name: getattr(stats, name) for name in names}
        if FAT:
            found["st_mtime"] = int(stats.st_mtime // 2 * 2)
            found["st_mode"] = (stats.st_mode & ~0o7777) | 0o755
        return found

    def readdir(self, path, fh):
        return [".", ".."] + os.listdir(path)

    def open(self, path, flags):
        return os.open(path, flags)

    def create(self, path, mode, fi=None):
        return os.open(path, os.O_WRONLY | os.O_CREAT, mode)

    def read(self, path, size, offset, fh):
        return os.pread(fh, size, offset)

    def write(self, path, data, offset, fh):
        return os.pwrite(fh, data, offset)

    def release(self, path, fh):
        return os.close(fh)

    def fsync(self, path, datasync, fh):
        return os.fsync(fh)

    def statfs(self, path):
        stats = os.statvfs(path)
        return {name: getattr(stats, name) for name in ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_frsize")}

    def flush(self, path, fh):
        return 0

    def chmod(self, path, mode):
        if NAMES == "fat, no chmod":
            raise FuseOSError(errno.EPERM)
        return 0 if FAT else os.chmod(path, mode)

    def chown(self, path, uid, gid):
        return os.chown(path, uid, gid)

    def rename(self, old, new):
        return os.rename(old, behind(new))

    def unlink(self, path):
        return os.unlink(path)

    def mkdir(self, path, mode):
        return os.mkdir(path, mode)

    def rmdir(self, path):
        return os.rmdir(path)

    def utimens(self, path, times=None):
        return os.utime(path, times)


KEPT = 60 if NAMES == "caseless, cached" else 0
FUSE(
    Sick(), MOUNT, foreground=True, nothreads=True, allow_other=True,
    attr_timeout=KEPT, entry_timeout=KEPT, negative_timeout=0, kernel_cache=KEPT > 0,
)
