using RunnerVm.GuestProtocol;
using RunnerVm.Guests;

namespace RunnerVm.Sources.GitLab.Caches;

/// <summary>Moves one cache between the store and a folder of the guest.</summary>
internal sealed class CachedFiles(CacheStore store, CacheScope scope, long mostBytes)
{
    /// <returns>Files that came in, or null when there is no such cache.</returns>
    /// <exception cref="GuestFailedException">The guest could not unpack it.</exception>
    public async Task<long?> RestoreAsync(GuestSession guest, string cleanKey, string folder, CancellationToken cancellationToken)
    {
        await using var tar = store.Open(scope, cleanKey);
        if (tar is null) return null;
        var result = await guest.SendTarAsync(folder, target => tar.CopyToAsync(target, cancellationToken), cancellationToken);
        return result.Files;
    }

    /// <summary>Reads the archive as strictly as if it were unpacked here, and keeps the bytes.</summary>
    /// <returns>Entries and compressed bytes; null when nothing matched or it was too large to keep.</returns>
    /// <exception cref="GuestFailedException">The guest could not pack it.</exception>
    /// <exception cref="ProtocolException">What came is not an archive of ours, or is too much.</exception>
    public async Task<(int Entries, long Bytes)?> SaveAsync(GuestSession guest, TarOutRequest request, string cleanKey, CancellationToken cancellationToken)
    {
        var entries = 0;
        var size = await store.SaveAsync(scope, cleanKey, async target =>
        {
            await guest.ReceiveTarAsync(request, async tar =>
            {
                var archive = new GuestArchive(new CopyingStream(tar, target));
                var budget = new ArchiveBudget(store.RoomFor(mostBytes), ArchiveBudget.MostEntries);
                for (; await archive.NextAsync(cancellationToken) is { } entry; entries++) budget.Take(entry);
            }, cancellationToken);
            return entries > 0;
        });
        return size is { } bytes ? (entries, bytes) : null;
    }

    /// <summary>What is read from one stream goes into another too.</summary>
    private sealed class CopyingStream(Stream source, Stream copy) : ReadOnlyStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var read = await source.ReadAsync(buffer, cancellationToken);
            await copy.WriteAsync(buffer[..read], cancellationToken);
            return read;
        }
    }
}
