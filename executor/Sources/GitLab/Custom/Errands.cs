using System.Globalization;
using System.Text;
using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Jobs;
using RunnerVm.Sources.GitLab.Caches;
using RunnerVm.Sources.GitLab.Files;
using RunnerVm.Sources.GitLab.Payload;
using RunnerVm.Sources.GitLab.Wire;

namespace RunnerVm.Sources.GitLab.Custom;

/// <summary>
/// What <c>gitlab-runner</c> in a machine's PATH does: the artifact and cache commands that gitlab-runner's scripts call,
/// carried out by the host. Any program of the job may call it with any arguments, so it reaches only what the job itself may:
/// its own uploads, the archives its payload lists, the caches of its scope. Addresses in the arguments are not looked at.
/// </summary>
internal sealed class Errands(JobResponse payload, JobConnection server, CachedFiles caches, Job job, StopRequest stop)
{
    private const int Failed = 1;

    private GuestSession? _guest;
    private string _folder = "";
    private int _underWay;

    /// <param name="folder">The run's own, for files on their way.</param>
    public void Attach(GuestSession guest, string folder) => (_folder, _guest) = (folder, guest);

    /// <exception cref="ProtocolException">The guest broke a rule: the machine is ended.</exception>
    public async Task ServeAsync(GuestChannel channel, CancellationToken cancellationToken)
    {
        try
        {
            if (Interlocked.Increment(ref _underWay) > Limits.MaxErrands || _guest is not { } guest)
            {
                channel.Reset("too many calls at once");
                return;
            }

            var request = await ErrandCall.ReadAsync(channel, cancellationToken);
            var code = await RunAsync(request, guest, text => channel.WriteAsync(1, Encoding.UTF8.GetBytes(text + "\n"), cancellationToken), channel);
            ErrandCall.Answer(channel, code);
        }
        catch (Exception e) when (e is OperationCanceledException or ChannelResetException)
        {
            channel.Reset("The call was given up.");
        }
        finally
        {
            Interlocked.Decrement(ref _underWay);
        }
    }

    private async Task<int> RunAsync(ErrandRequest request, GuestSession guest, Func<string, ValueTask> say, GuestChannel channel)
    {
        var arguments = new ErrandArguments(request.Arguments.AsSpan(Math.Min(1, request.Arguments.Length)));
        try
        {
            switch (request.Arguments.FirstOrDefault())
            {
                case "--version" or "-v" or "version":
                    await channel.WriteAsync(Encoding.UTF8.GetBytes($"Version:      {Product.Version} (runnervm)\n"), stop.Asked);
                    return 0;
                case "artifacts-uploader":
                    return await UploadAsync(arguments, request.Folder, guest, say);
                case "artifacts-downloader":
                    return await DownloadAsync(arguments, request.Folder, guest, say);
                case "cache-archiver":
                    return await ArchiveCacheAsync(arguments, request.Folder, guest, say);
                case "cache-extractor":
                    return await ExtractCacheAsync(arguments, request.Folder, guest, say);
                default:
                    await say($"This gitlab-runner is runnervm's: it moves artifacts and caches and does not know \"{UntrustedText.Line(request.Arguments.FirstOrDefault())}\".");
                    return Failed;
            }
        }
        catch (Exception e) when (e is GitLabTransferException or GuestFailedException or BadArchiveException or ReportException or JobRefusedException or UserException)
        {
            await say(e.Message);
            return Failed;
        }
    }

    private async Task<int> UploadAsync(ErrandArguments arguments, string folder, GuestSession guest, Func<string, ValueTask> say)
    {
        if (arguments.Last("id") != payload.Id.ToString(CultureInfo.InvariantCulture) || arguments.Last("token") != payload.Token)
        {
            await say("A job uploads its own artifacts and no other's: --id and --token are not this job's.");
            return Failed;
        }

        var chosen = await ChooseAsync(arguments, folder, guest, say);
        if (chosen is null) return 0;
        var written = arguments.Last("name");
        var format = arguments.Last("artifact-format");
        var order = new UploadOrder(ArtifactName.Of(written, written, format), format, arguments.Last("artifact-type"), arguments.Last("expire-in"), ArchiveLevel.Of(arguments.Last("compression-level")));
        var sent = await Files(guest).UploadAsync(order, chosen, stop.Asked);
        foreach (var pattern in sent.Unmatched.Take(20)) await say($"WARNING: {UntrustedText.Line(pattern)}: no matching files.");
        await say(sent.Files == 0 ? "ERROR: No files to upload" : $"Uploading {order.FileName}: {sent.Files} files, {sent.Bytes} bytes: ok");
        return 0;
    }

    private async Task<int> DownloadAsync(ErrandArguments arguments, string folder, GuestSession guest, Func<string, ValueTask> say)
    {
        var wanted = payload.Dependencies.FirstOrDefault(d => d.Id.ToString(CultureInfo.InvariantCulture) == arguments.Last("id") && d.Token == arguments.Last("token"));
        if (wanted is null)
        {
            await say("This job may download the artifacts of the jobs it depends on: --id and --token are none of theirs.");
            return Failed;
        }

        var files = await Files(guest).DownloadAsync(wanted.Id, wanted.Token, folder, stop.Asked);
        await say($"Downloading artifacts of {UntrustedText.Line(wanted.Name)} ({wanted.Id}): {files} files: ok");
        return 0;
    }

    private async Task<int> ArchiveCacheAsync(ErrandArguments arguments, string folder, GuestSession guest, Func<string, ValueTask> say)
    {
        var key = KeyOf(arguments.Last("file"), folder);
        var chosen = key.Length == 0 ? null : await ChooseAsync(arguments, folder, guest, say);
        if (chosen is null) return 0;
        var saved = await caches.SaveAsync(guest, chosen, key, stop.Asked);
        await say(saved is { } some ? $"Created cache {UntrustedText.Line(key)}: {some.Entries} entries, {some.Bytes} bytes" : "Nothing matches the cache's paths, or it is larger than this host keeps.");
        return 0;
    }

    private async Task<int> ExtractCacheAsync(ErrandArguments arguments, string folder, GuestSession guest, Func<string, ValueTask> say)
    {
        var key = KeyOf(arguments.Last("file"), folder);
        if (key.Length > 0 && await caches.RestoreAsync(guest, key, folder, stop.Asked) is { } files)
        {
            await say($"Extracted cache {UntrustedText.Line(key)}: {files} files");
            return 0;
        }

        // gitlab-runner's scripts try the next key then.
        await say($"There is no cache {UntrustedText.Line(key)} yet.");
        return Failed;
    }

    private async Task<TarOutRequest?> ChooseAsync(ErrandArguments arguments, string folder, GuestSession guest, Func<string, ValueTask> say)
    {
        var selection = PathSelection.Of(arguments.All("path"), arguments.All("exclude"), static path => path, folder);
        return await new ChosenFiles(guest, folder, text => say($"WARNING: {text}")).FindAsync(selection, arguments.Flag("untracked"), stop);
    }

    /// <summary>gitlab-runner names a cache by the file it would lie in: <c>CACHE_DIR/PROJECT/KEY/cache.zip</c>.</summary>
    internal string KeyOf(string file, string folder)
    {
        var path = Path.GetFullPath(file, folder.StartsWith('/') ? folder : "/");
        var own = $"{GuestPaths.Cache}/{payload.JobInfo.ProjectFullPath}/";
        var key = Path.GetDirectoryName(path.StartsWith(own, StringComparison.Ordinal) ? path[own.Length..] : path.TrimStart('/'));
        return CacheKey.Clean(key ?? "");
    }

    private ArtifactFiles Files(GuestSession guest) => new(server, guest, _folder, job.Machine.DiskBytes);
}
