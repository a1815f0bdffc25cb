using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    public const short POSIX_SPAWN_SETSID = 0x80;

    /// <summary>Returns the error's number itself, as all of them.</summary>
    [LibraryImport("libc")]
    public static unsafe partial int posix_spawn(
        int* pid, byte* path, posix_spawn_file_actions_t* actions, posix_spawnattr_t* attributes, byte** arguments, byte** environment);

    [LibraryImport("libc")]
    public static unsafe partial int posix_spawnattr_init(posix_spawnattr_t* attributes);

    [LibraryImport("libc")]
    public static unsafe partial int posix_spawnattr_setflags(posix_spawnattr_t* attributes, short flags);

    [LibraryImport("libc")]
    public static unsafe partial int posix_spawn_file_actions_init(posix_spawn_file_actions_t* actions);

    [LibraryImport("libc")]
    public static unsafe partial int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t* actions, int fd, int target);

    [LibraryImport("libc")]
    public static unsafe partial int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t* actions);
}

/// <summary>The C library's own; only its size is ours to know.</summary>
[StructLayout(LayoutKind.Sequential, Size = 336)]
internal struct posix_spawnattr_t
{
    private ulong _element;
}

/// <summary>Likewise.</summary>
[StructLayout(LayoutKind.Sequential, Size = 80)]
internal struct posix_spawn_file_actions_t
{
    private ulong _element;
}
