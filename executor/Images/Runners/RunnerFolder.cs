using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace RunnerVm.Images.Runners;

/// <summary>An official runner as files, and what they say about themselves. Nothing of it is ever run on the host.</summary>
/// <param name="Path">Holds <c>bin/Runner.Listener</c>.</param>
internal sealed partial record RunnerFolder(string Path, string Version, DateTimeOffset Date)
{
    private const string Listener = "bin/Runner.Listener";

    /// <summary>A runner's archive has some 200 MB.</summary>
    private const long MostArchiveBytes = 4L << 30;

    /// <exception cref="UserException">It is no runner.</exception>
    public static RunnerFolder Open(string path)
    {
        var listener = new FileInfo(System.IO.Path.Combine(path, Listener));
        if (!listener.Exists) throw Refused(path, $"it has no {Listener}. Give the folder or the archive actions-runner-linux-x64-VERSION.tar.gz of GitHub's releases");
        if ((File.GetUnixFileMode(listener.FullName) & UnixFileMode.OtherExecute) == 0) throw Refused(path, $"its {Listener} is not executable: it lost its modes on the way");
        var dependencies = System.IO.Path.Combine(path, Listener + ".deps.json");
        var said = File.Exists(dependencies) ? VersionName().Match(File.ReadAllText(dependencies)) : Match.Empty;
        if (!said.Success) throw Refused(path, $"its {Listener}.deps.json names no version");
        return new(path, said.Groups[1].Value, listener.LastWriteTimeUtc);
    }

    /// <summary>Unpacks an archive below a folder, after a look at its digest.</summary>
    /// <param name="expected">SHA-256 in hexadecimal, or null where nobody knows it.</param>
    /// <returns>The archive's digest.</returns>
    /// <exception cref="UserException">It is another file than expected, or no archive.</exception>
    public static async Task<string> UnpackAsync(string archive, string? expected, string folder, CancellationToken cancellationToken)
    {
        if (new FileInfo(archive).Length > MostArchiveBytes) throw Refused(archive, "it is larger than any runner");
        await using var file = File.OpenRead(archive);
        var digest = Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancellationToken));
        if (expected is not null && !digest.Equals(expected.Trim(), StringComparison.OrdinalIgnoreCase))
            throw Refused(archive, $"its SHA-256 is {digest}, not {expected.Trim()}: it is another file, or was damaged on the way");
        file.Position = 0;
        try
        {
            // Follows no path out of the folder and no link either.
            await using var unzipped = new GZipStream(file, CompressionMode.Decompress);
            await TarFile.ExtractToDirectoryAsync(unzipped, folder, overwriteFiles: false, cancellationToken);
            return digest;
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException or FormatException)
        {
            throw Refused(archive, $"it is no .tar.gz archive ({e.Message.TrimEnd('.')})");
        }
    }

    private static UserException Refused(string path, string reason) => new(ExitCodes.Failed, $"Cannot use \"{path}\" as GitHub's runner: {reason}.");

    [GeneratedRegex("\"Runner\\.Listener/([0-9]{1,4}(?:\\.[0-9]{1,6}){2})\"")]
    private static partial Regex VersionName();
}
