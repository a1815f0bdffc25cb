using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Machine;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Snapshots;

/// <summary>The guest's memory as a file of exactly its size, without any header, as Firecracker's.</summary>
internal static class MemoryFile
{
    private const string Field = "mem_file_path";

    /// <summary>
    /// A file of another length is made anew. One of this length is written over in place and never cut off: it may be the one
    /// this very machine is mapped from, or the whole that a Diff goes onto.
    /// </summary>
    /// <param name="pages">Of a Diff: a bit for each page; null: all of it.</param>
    /// <exception cref="VmmFaultException">The host does not take it; the file is not whole.</exception>
    public static void Write(string path, GuestMemory memory, SnapshotType type, IReadOnlyList<ulong[]>? pages)
    {
        try
        {
            using var file = FileDescriptor.Open(path, LibC.O_RDWR | LibC.O_CREAT | LibC.O_NONBLOCK, Fix);
            if (file.Kind() != FileKind.Regular) throw new VmmFaultException($"{Field}: {path} is not a file. Give the path of one, or of none.");
            var isNew = file.Length() != (long)memory.Size;
            if (isNew) Check(file.SetLength(0), path);
            Check(file.SetLength((long)memory.Size), path);
            // Of a Diff every page that is written counts, zeroes too: whoever lays it over another goes by where there is data.
            if (pages is null) memory.WriteTo(file, isEmpty: isNew && type == SnapshotType.Full);
            else memory.WritePagesTo(file, pages);
            Check(file.Flush(), path);
        }
        catch (LinuxException cause)
        {
            throw new VmmFaultException($"{Field}: {cause.Message}", cause);
        }
    }

    /// <summary>Mapped privately: as many machines as like share what none of them has written.</summary>
    /// <exception cref="VmmFaultException">It is not there, or of another length.</exception>
    public static GuestMemory Map(string path, MachineConfiguration machine)
    {
        try
        {
            using var file = FileDescriptor.Open(path, LibC.O_RDONLY | LibC.O_NONBLOCK, static errno => errno switch
            {
                LibC.ENOENT => "Check the path; in a jail it is a path inside it.",
                LibC.EACCES => "Let the user of this process read it.",
                _ => null,
            });
            if (file.Kind() != FileKind.Regular) throw new VmmFaultException($"mem_backend: {path} is not a file. Give the memory file of the snapshot.");
            var bytes = (ulong)machine.MemSizeMib << 20;
            if (file.Length() != (long)bytes)
                throw new VmmFaultException($"mem_backend: {path} has {file.Length()} bytes and the machine {bytes} bytes of memory. Give the file that was written with the state.");
            return MemoryLayout.Map(file, bytes, machine.TrackDirtyPages);
        }
        catch (LinuxException cause)
        {
            throw new VmmFaultException($"mem_backend: {cause.Message}", cause);
        }
    }

    private static void Check(long result, string path)
    {
        if (result < 0) throw new LinuxException($"write {path}", (int)-result, result == -LibC.ENOSPC ? "Make room on that file system." : null);
    }

    private static string? Fix(int errno) => errno switch
    {
        LibC.ENOENT => "Create its folder first.",
        LibC.EACCES or LibC.EROFS => "Choose a folder that the user of this process may write to.",
        _ => null,
    };
}
