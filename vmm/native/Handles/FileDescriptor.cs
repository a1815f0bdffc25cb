using System.Runtime.InteropServices;
using System.Text;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Handles;

/// <summary>Owns an open file description; closes it once.</summary>
internal sealed partial class FileDescriptor : SafeHandle
{
    /// <summary>Of files that <see cref="LibC.O_CREAT"/> makes.</summary>
    private const int OwnerOnly = 0x180;

    /// <summary>Takes over <paramref name="fd"/>.</summary>
    public FileDescriptor(int fd)
        : base(-1, ownsHandle: true) => SetHandle(fd);

    public override bool IsInvalid => handle < 0;

    /// <summary>Close-on-exec, always.</summary>
    public static unsafe FileDescriptor Open(string path, int flags, Func<int, string?>? fix = null)
    {
        var bytes = Encoding.UTF8.GetBytes(path + '\0');
        // SAFETY: the array is pinned for the call and ends in a zero byte.
        fixed (byte* name = bytes)
        {
            var fd = LibC.open(name, flags | LibC.O_CLOEXEC, OwnerOnly);
            if (fd >= 0) return new(fd);
        }

        var errno = Marshal.GetLastPInvokeError();
        throw new LinuxException($"open {path}", errno, fix?.Invoke(errno));
    }

    /// <summary>The number, kept open until the borrower is disposed.</summary>
    public Borrowed Borrow() => new(this);

    protected override bool ReleaseHandle() => LibC.close((int)handle) == 0;

    /// <summary>A descriptor in use by a call: it cannot be closed meanwhile.</summary>
    internal readonly ref struct Borrowed
    {
        private readonly FileDescriptor _owner;

        public Borrowed(FileDescriptor owner)
        {
            var added = false;
            owner.DangerousAddRef(ref added);
            _owner = owner;
        }

        public int Fd => (int)_owner.handle;

        public void Dispose() => _owner.DangerousRelease();
    }
}
