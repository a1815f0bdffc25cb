using System.Globalization;
using System.Text;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Processes;

/// <summary>A step's script in memory, for as long as the step runs.</summary>
internal sealed class ScriptFile : IDisposable
{
    private ScriptFile(string path) => Path = path;

    public string Path { get; }

    /// <returns>Null when there is no script.</returns>
    public static ScriptFile? Write(string folder, int step, string? script)
    {
        if (script is null) return null;
        var path = PathOf(folder, step);
        // A job may have mounted something over the folder since the last step.
        if (!Directory.Exists(folder)) KernelFile.CreateFolders(folder);
        KernelFile.Replace(path, Encoding.UTF8.GetBytes(script), 0b111_000_000);
        return new(path);
    }

    public static string PathOf(string folder, int step) => string.Create(CultureInfo.InvariantCulture, $"{folder}/script-{step}.sh");

    public void Dispose() => _ = Libc.unlinkat(Libc.AT_FDCWD, Path, 0);
}
