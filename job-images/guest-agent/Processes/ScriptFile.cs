using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Processes;

/// <summary>A step's script in memory, for as long as the step runs.</summary>
internal sealed class ScriptFile : IDisposable
{
    private const int Mode = 0b111_000_000;

    private SafeFileHandle? _prepared;

    private ScriptFile(string path, SafeFileHandle? prepared) => (Path, _prepared) = (path, prepared);

    public string Path { get; }

    /// <returns>Null when there is no script.</returns>
    public static ScriptFile? Write(string folder, int step, string? script)
    {
        if (script is null) return null;
        var path = PathOf(folder, step);
        var content = Encoding.UTF8.GetBytes(script);
        try
        {
            KernelFile.Replace(path, content, Mode);
        }
        catch (LinuxException e) when (e.Errno == Libc.ENOENT)
        {
            // A job may have mounted something over the folder since the last step.
            KernelFile.CreateFolders(folder);
            KernelFile.Replace(path, content, Mode);
        }

        return new(path, null);
    }

    /// <summary>Makes the file of a step whose script is not known yet. With something in it, so that it has its page.</summary>
    public static ScriptFile Prepare(string folder, int step)
    {
        var path = PathOf(folder, step);
        var file = KernelFile.CreateAnew(path, Mode);
        KernelFile.WriteAll(file, "\n"u8, path);
        _ = Libc.lseek(file, 0, 0);
        return new(path, file);
    }

    /// <summary>Once, in a prepared one. An empty script remains the empty line it was.</summary>
    public void Fill(string script)
    {
        using var file = _prepared!;
        _prepared = null;
        KernelFile.WriteAll(file, Encoding.UTF8.GetBytes(script), Path);
    }

    public static string PathOf(string folder, int step) => string.Create(CultureInfo.InvariantCulture, $"{folder}/script-{step}.sh");

    public void Dispose()
    {
        _prepared?.Dispose();
        _ = Libc.unlinkat(Libc.AT_FDCWD, Path, 0);
    }
}
