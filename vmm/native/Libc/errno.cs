namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    public const int EPERM = 1;
    public const int ENOENT = 2;
    public const int ESRCH = 3;
    public const int EINTR = 4;
    public const int EIO = 5;
    public const int EAGAIN = 11;
    public const int ENXIO = 6;
    public const int ENOMEM = 12;
    public const int EACCES = 13;
    public const int EBUSY = 16;
    public const int EEXIST = 17;
    public const int ENODEV = 19;
    public const int EISDIR = 21;
    public const int EINVAL = 22;
    public const int EMFILE = 24;
    public const int ENOTTY = 25;
    public const int ETXTBSY = 26;
    public const int ENOSPC = 28;
    public const int EROFS = 30;
    public const int EOPNOTSUPP = 95;
    public const int EPIPE = 32;
    public const int ENAMETOOLONG = 36;
    public const int EBADFD = 77;
    public const int EADDRINUSE = 98;
    public const int ECONNRESET = 104;
    public const int ECONNREFUSED = 111;

    /// <summary>As errno(3) names it; the bare number for those we never meet.</summary>
    public static string ErrnoName(int errno) => errno switch
    {
        ESRCH => "ESRCH",
        EPERM => "EPERM",
        ENOENT => "ENOENT",
        EINTR => "EINTR",
        EIO => "EIO",
        ENXIO => "ENXIO",
        9 => "EBADF",
        EAGAIN => "EAGAIN",
        ENOMEM => "ENOMEM",
        EACCES => "EACCES",
        14 => "EFAULT",
        EBUSY => "EBUSY",
        EEXIST => "EEXIST",
        ENODEV => "ENODEV",
        EISDIR => "EISDIR",
        EINVAL => "EINVAL",
        23 => "ENFILE",
        EMFILE => "EMFILE",
        ENOTTY => "ENOTTY",
        ETXTBSY => "ETXTBSY",
        ENOSPC => "ENOSPC",
        EROFS => "EROFS",
        38 => "ENOSYS",
        40 => "ELOOP",
        EOPNOTSUPP => "EOPNOTSUPP",
        EPIPE => "EPIPE",
        ENAMETOOLONG => "ENAMETOOLONG",
        EBADFD => "EBADFD",
        EADDRINUSE => "EADDRINUSE",
        ECONNRESET => "ECONNRESET",
        ECONNREFUSED => "ECONNREFUSED",
        _ => $"errno {errno}",
    };
}
