using System.Text;
using RunnerVm.GuestProtocol;
using RunnerVm.Guests;

namespace RunnerVm.Sources.GitHub.Hooks;

/// <summary>
/// What the official runner wrote down for whoever looks for what went wrong: the logs of its listener and its worker, brought
/// out of the machine into one file of this host. The runner has masked its job's secrets there; ours are taken out here.
/// </summary>
/// <param name="mask">Takes out what the host knows to be secret.</param>
internal sealed class RunnerDiagnostics(string runner, Func<string, string> mask)
{
    /// <summary>A worker that was asked for debug lines writes a few megabytes; the end says more than the beginning.</summary>
    private const int MostBytesKept = 4 << 20;

    private const int MostFiles = 16;

    private const long MostBytesRead = 64 << 20;

    /// <returns>False: there is nothing.</returns>
    /// <exception cref="GuestFailedException">The guest could not pack it.</exception>
    /// <exception cref="ProtocolException">It is no archive of our agent's, or more than any runner writes.</exception>
    public async Task<bool> KeepAsync(GuestSession guest, string path, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        await guest.ReceiveTarAsync(new() { Path = runner, Include = ["_diag/*.log"] }, tar => ReadAsync(tar, text, cancellationToken), cancellationToken);
        if (text.Length == 0) return false;
        await using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
        await file.WriteAsync(Encoding.UTF8.GetBytes(mask(text.ToString())), cancellationToken);
        return true;
    }

    private static async Task ReadAsync(Stream tar, StringBuilder text, CancellationToken cancellationToken)
    {
        var archive = new GuestArchive(tar);
        var budget = new ArchiveBudget(MostBytesRead, MostFiles);
        while (await archive.NextAsync(cancellationToken) is { } entry)
        {
            budget.Take(entry);
            if (entry.Type != '0') continue;
            text.Append("== ").Append(UntrustedText.Line(entry.Name)).Append('\n');
            await AppendAsync(archive.Content, entry.Size, text, cancellationToken);
        }
    }

    private static async Task AppendAsync(Stream content, long size, StringBuilder text, CancellationToken cancellationToken)
    {
        var left = size - MostBytesKept / 2;
        if (left > 0) text.Append("(the first ").Append(left).Append(" bytes are not kept)\n");
        var kept = new MemoryStream();
        var buffer = new byte[64 * 1024];
        for (int read; (read = await content.ReadAsync(buffer, cancellationToken)) > 0; left -= read)
            if (left < read) kept.Write(buffer, (int)Math.Max(left, 0), read - (int)Math.Max(left, 0));
        Write(Encoding.UTF8.GetString(kept.GetBuffer(), 0, (int)kept.Length), text);
    }

    /// <summary>Lines stay; what would act on a terminal does not.</summary>
    private static void Write(string content, StringBuilder text)
    {
        foreach (var c in content)
        {
            if (c == '\n' || c == '\t' || !char.IsControl(c)) text.Append(c);
        }

        if (text[^1] != '\n') text.Append('\n');
    }
}
