using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Snapshots;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Monitor.Machine;

// A snapshot is two files. While one is taken the machine stands still, and so does the loop: no device has anything under way.
internal sealed partial class MicroVm
{
    /// <summary>Written since the last snapshot, for the next Diff; kept when one fails. A bit for each page of each region.</summary>
    private ulong[][]? _dirty;

    /// <summary>
    /// The state file is made empty first and written last, so one that reads well stands beside memory that is whole.
    /// </summary>
    public void CreateSnapshot(SnapshotRequest request, VmResources resources)
    {
        using var file = OpenState(request.SnapshotPath);
        var state = SavedMachine.Save(resources, _parts, _vcpus);
        GatherDirtyPages();
        MemoryFile.Write(request.MemFilePath, _parts.Memory, request.SnapshotType, request.SnapshotType == SnapshotType.Diff ? _dirty : null);
        WriteState(file, request.SnapshotPath, state);
        _dirty = null;
    }

    private void GatherDirtyPages()
    {
        if (_parts.Memory.Written is not { } written) return;
        var regions = _parts.Memory.Regions;
        _dirty ??= [.. regions.Select(static region => new ulong[(region.Mapping.Length / 4096 + 63) / 64])];
        for (var i = 0; i < regions.Count; i++)
        {
            var guest = _parts.Vm.TakeDirtyLog((uint)i, regions[i].Mapping.Length);
            for (var word = 0; word < guest.Length; word++) _dirty[i][word] |= guest[word];
            written.MoveTo(i, _dirty[i]);
        }
    }

    private static FileDescriptor OpenState(string path)
    {
        try
        {
            var file = FileDescriptor.Open(path, LibC.O_WRONLY | LibC.O_CREAT | LibC.O_NONBLOCK, static errno => errno switch
            {
                LibC.ENOENT => "Create its folder first.",
                LibC.EACCES or LibC.EROFS => "Choose a folder that the user of this process may write to.",
                _ => null,
            });
            if (file.Kind() == FileKind.Regular && file.SetLength(0) == 0) return file;
            file.Dispose();
            throw new VmmFaultException($"snapshot_path: {path} is not a file that can be written. Give the path of one, or of none.");
        }
        catch (LinuxException cause)
        {
            throw new VmmFaultException($"snapshot_path: {cause.Message}", cause);
        }
    }

    private static void WriteState(FileDescriptor file, string path, ReadOnlySpan<byte> state)
    {
        long result = 0;
        while (state.Length > 0 && result >= 0)
        {
            result = file.Write(state);
            if (result == -LibC.EINTR) result = 0;
            if (result > 0) state = state[(int)result..];
        }

        if (result >= 0) result = file.Flush();
        if (result >= 0) return;
        _ = file.SetLength(0);
        throw new VmmFaultException($"snapshot_path: {new LinuxException($"write {path}", (int)-result).Message} Make room, or choose another path.");
    }
}
