using CliWrap;
using CliWrap.Buffered;

namespace RunnerVm.Machines.Qemu;

/// <summary>The QEMU installed here: where it is and which version.</summary>
internal sealed class QemuProgram(FactCache facts, string? searchPath = null)
{
    public const string Name = "qemu-system-x86_64";
    public const string HowToInstall = "Install it: apt-get install qemu-system-x86";

    /// <summary>Full path, or null where it is not installed.</summary>
    public string? Find() => ProgramSearch.Find(Name, searchPath);

    /// <summary>For example "7.2.22"; asked once and remembered while the file is the same. Null when it does not say.</summary>
    public async Task<string?> VersionAsync(string path, CancellationToken cancellationToken)
    {
        var file = new FileInfo(path);
        var key = $"{path} | {file.LastWriteTimeUtc.Ticks} {file.Length}";
        if (facts.Recall("qemu-version", key) is { } known) return known;
        try
        {
            var result = await Cli.Wrap(path).WithArguments("--version")
                .WithValidation(CommandResultValidation.None)
                .ExecuteBufferedAsync(cancellationToken);
            if (ParseVersion(result.StandardOutput) is not { } version) return null;
            facts.Remember("qemu-version", key, version);
            return version;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    /// <summary>From "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)".</summary>
    public static string? ParseVersion(string text)
    {
        const string Marker = "version ";
        var start = text.IndexOf(Marker, StringComparison.Ordinal);
        if (start < 0) return null;
        var version = text[(start + Marker.Length)..].Split(' ', '\n', '(')[0].Trim();
        return version.Length > 0 ? version : null;
    }
}
