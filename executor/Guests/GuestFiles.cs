using System.Formats.Tar;

namespace RunnerVm.Guests;

/// <summary>A small file the host writes into a guest.</summary>
/// <param name="Name">Relative to the folder it goes to.</param>
internal sealed record GuestFile(string Name, byte[] Content, UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite);

/// <summary>Writes files whose content the host holds: scripts, secrets. Where the folder is in memory, so are they.</summary>
internal static class GuestFiles
{
    /// <exception cref="GuestFailedException">The guest could not write one.</exception>
    public static async Task SendAsync(this GuestSession guest, string folder, IReadOnlyList<GuestFile> files, CancellationToken cancellationToken)
    {
        // An archive of nothing is no archive to the library.
        if (files.Count == 0) return;
        await guest.SendTarAsync(folder, async target =>
        {
            await using var tar = new TarWriter(target, TarEntryFormat.Pax, leaveOpen: true);
            foreach (var file in files)
                await tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, file.Name) { Mode = file.Mode, DataStream = new MemoryStream(file.Content) }, cancellationToken);
        }, cancellationToken);
    }
}
