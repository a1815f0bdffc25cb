namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    public const int ENOENT = 2;
    public const int EINTR = 4;
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
    public const int EROFS = 30;
    public const int EPIPE = 32;
    public const int EADDRINUSE = 98;

    /// <summary>As errno(3) names it; the bare number for those we never meet.</summary>
    public static string ErrnoName(int errno) => errno switch
    {
        1 => "EPERM",
        ENOENT => "ENOENT",
        EINTR => "EINTR",
        5 => "EIO",
        ENXIO => "ENXIO",
        9 => "EBADF",
        EAGAIN => "EAGAIN",
        ENOMEM => "ENOMEM",
        EACCES => "EACCES",
        14 => "EFAULT",
        EBUSY => "EBUSY",
        EEXIST => "EEXIST",
        ENODEV => "ENODEV",
        20 => "ENOTDIR",
        EISDIR => "EISDIR",
        EINVAL => "EINVAL",
        23 => "ENFILE",
        EMFILE => "EMFILE",
        ENOTTY => "ENOTTY",
        28 => "ENOSPC",
        EROFS => "EROFS",
        EPIPE => "EPIPE",
        36 => "ENAMETOOLONG",
        38 => "ENOSYS",
        EADDRINUSE => "EADDRINUSE",
        104 => "ECONNRESET",
        _ => $"errno {errno}",
    };
}
